import { expect, test } from 'vitest';
import type { ProbeVerdict } from '../../src/mesh/node-status.ts';
import { heard, NOT_PROBED } from '../../src/mesh/probe-standing.ts';

const verdict = (reason: ProbeVerdict['reason']): ProbeVerdict => ({ reason, message: reason });
const WORKS = verdict('ProbeSucceeded');
const NO_DNS = verdict('DNSFailed');
const NO_TCP = verdict('TCPFailed');
const NONE = verdict('NotProbed');

test.each<[string, readonly ProbeVerdict[], ProbeVerdict | undefined, boolean]>([
  ['the first success counts', [WORKS], WORKS, false],
  ['one failure is only a doubt', [WORKS, NO_DNS], WORKS, true],
  ['also at the beginning', [NO_DNS], undefined, true],
  ['a success ends the doubt', [WORKS, NO_DNS, WORKS], WORKS, false],
  ['a failure now and then is never told', [WORKS, NO_DNS, WORKS, NO_DNS, WORKS, NO_DNS], WORKS, true],
  ['two failures count, whatever they are', [WORKS, NO_DNS, NO_TCP], NO_TCP, false],
  ['after a failure was told each next one is told at once', [NO_DNS, NO_DNS, NO_TCP], NO_TCP, false],
  ['and the first success too', [NO_DNS, NO_DNS, WORKS], WORKS, false],
  ['nothing to probe is no failure', [WORKS, NO_DNS, NONE], NONE, false],
  ['nor does it count against what follows', [NO_DNS, NO_DNS, NONE, NO_TCP], NONE, true],
])('%s', (_says, verdicts, told, doubted) => {
  expect(verdicts.reduce(heard, NOT_PROBED)).toEqual({ told, doubted });
});

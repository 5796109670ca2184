import { afterEach, beforeEach, expect, test } from 'vitest';
import { Probing } from '../../src/agent/probing.ts';
import type { ProbeVerdict } from '../../src/mesh/node-status.ts';
import type { Topology } from '../../src/mesh/topology.ts';
import { createLog } from '../../src/runtime/log.ts';
import { ManualClock } from '../support/fake-clock.ts';

const TOPOLOGY = {} as Topology;
const WORKS: ProbeVerdict = { reason: 'ProbeSucceeded', message: 'It works.' };
const BROKEN: ProbeVerdict = { reason: 'DNSFailed', message: 'No answer.' };

let clock: ManualClock;
let answers: (ProbeVerdict | Error)[];
let sentAt: number[];
let target: Topology | undefined;
let probing: Probing;
let ending: AbortController;
let ended: Promise<void>;

beforeEach(() => {
  clock = new ManualClock();
  answers = [];
  sentAt = [];
  target = TOPOLOGY;
  const run = async () => {
    sentAt.push(clock.monotonic());
    const answer = answers.shift() ?? WORKS;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  probing = new Probing({
    probe: { run },
    clock,
    log: createLog({ level: 'silent' }),
    target: () => target,
    onProbe: () => undefined,
  });
  ending = new AbortController();
});

afterEach(async () => {
  ending.abort();
  await ended;
});

const begin = () => {
  ended = probing.run(ending.signal);
};

test('probes every ten seconds', async () => {
  begin();
  await clock.advance(20_000);
  expect(sentAt).toEqual([0, 10_000, 20_000]);
  expect(probing.verdict).toEqual(WORKS);
});

test('probes again after a second when a probe fails, and says nothing until then', async () => {
  answers = [WORKS, BROKEN, WORKS];
  begin();
  await clock.advance(10_500);
  expect(probing.verdict).toEqual(WORKS);
  await clock.advance(500);
  expect(sentAt).toEqual([0, 10_000, 11_000]);
  await clock.advance(9_999);
  expect({ verdict: probing.verdict, probes: sentAt.length }).toEqual({ verdict: WORKS, probes: 3 });
});

test('tells a failure that the second probe confirms, and a recovery with the next', async () => {
  answers = [WORKS, BROKEN, BROKEN, WORKS];
  begin();
  await clock.advance(11_000);
  expect(probing.verdict).toEqual(BROKEN);
  await clock.advance(10_000);
  expect(probing.verdict).toEqual(WORKS);
});

test('waits for something to probe, and looks often', async () => {
  target = undefined;
  begin();
  await clock.advance(1_000);
  expect({ sent: sentAt.length, verdict: probing.verdict }).toEqual({ sent: 0, verdict: undefined });
  target = TOPOLOGY;
  await clock.advance(200);
  expect(probing.verdict).toEqual(WORKS);
});

test('a probe that could not be sent changes nothing and is tried again', async () => {
  answers = [WORKS, new Error('no socket')];
  begin();
  await clock.advance(20_000);
  expect({ verdict: probing.verdict, sent: sentAt.length }).toEqual({ verdict: WORKS, sent: 3 });
});

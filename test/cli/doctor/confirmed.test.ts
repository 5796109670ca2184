import { expect, test, vi } from 'vitest';
import { confirmed } from '../../../src/cli/doctor/confirmed.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import { anEndpoint, healthy, someInside } from '../../laptop/doctor/findings.ts';

const silence = someInside({ dns: [{ server: '10.96.0.10' as IpAddress, answer: { kind: 'silent' } }] });
const lost = { ...healthy(), inside: silence };

test('what was silent once and answers when it is looked at again is well', async () => {
  expect(await confirmed(lost, async () => someInside())).toEqual(healthy());
});

test('what is silent twice is broken', async () => {
  expect(await confirmed(lost, async () => silence)).toEqual(lost);
});

test.each([
  ['nothing is broken', healthy()],
  ['something before the tunnel is broken', { ...lost, endpoints: [anEndpoint({ kind: 'silent' })] }],
])('nothing is looked at again where %s', async (_, findings) => {
  const lookAgain = vi.fn(async () => someInside());
  expect(await confirmed(findings, lookAgain)).toEqual(findings);
  expect(lookAgain).not.toHaveBeenCalled();
});

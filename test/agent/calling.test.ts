import { expect, test } from 'vitest';
import { type Call, callGroups } from '../../src/agent/calling.ts';
import { aKey } from '../support/builders.ts';

/** With so many messages of handshakes that wait, wireguard-go asks for cookies (UnderLoadQueueSize). */
const UNDER_LOAD = 128;

test.each([0, 1, 100, 101, 1_000])(
  '%i devices are called each once, in their order, and never too many at once',
  (count) => {
    const calls: readonly Call[] = Array.from({ length: count }, (_, index) => ({
      publicKey: aKey(`laptop-${index}`),
      byOtherKey: false,
    }));
    const groups = callGroups(calls);
    expect(groups.flat()).toEqual(calls);
    expect(Math.max(0, ...groups.map(({ length }) => length))).toBeLessThan(UNDER_LOAD);
    expect(groups.every(({ length }) => length > 0)).toBe(true);
  },
);

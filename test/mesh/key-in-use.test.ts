import { describe, expect, test } from 'vitest';
import { keyInUse } from '../../src/mesh/key-in-use.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import { aKey } from '../support/builders.ts';

const [first, next] = [aKey('first'), aKey('next')];
const ADDRESSES = ['10.213.0.20/32' as Cidr];

type Seen = { readonly shook: number; readonly holds?: true };

function inUse(one: Seen | undefined, other: Seen | undefined): string {
  const seen = new Map(
    [[first, one] as const, [next, other] as const].flatMap(([key, peer]) =>
      peer === undefined
        ? []
        : [[key, { latestHandshake: peer.shook, allowedIPs: peer.holds === true ? ADDRESSES : [] }] as const],
    ),
  );
  return keyInUse([first, next], seen) === first ? 'first' : 'next';
}

describe('of two keys the one in use is', () => {
  test.each<[string, Seen | undefined, Seen | undefined, string]>([
    ['the first, while nothing is seen of either', undefined, undefined, 'first'],
    ['the first, while neither ever shook hands', { shook: 0, holds: true }, { shook: 0 }, 'first'],
    [
      'the first, though the next has the addresses, while neither ever shook hands',
      { shook: 0 },
      { shook: 0, holds: true },
      'first',
    ],
    ['the first, where it alone shook hands', { shook: 100, holds: true }, { shook: 0 }, 'first'],
    ['the next, where it alone shook hands', { shook: 0, holds: true }, { shook: 100 }, 'next'],
    ['the next, where it shook hands later', { shook: 100, holds: true }, { shook: 101 }, 'next'],
    ['the first, where the device went back to it', { shook: 102 }, { shook: 101, holds: true }, 'first'],
    [
      'the one that has the addresses, where both shook hands in one second',
      { shook: 100, holds: true },
      { shook: 100 },
      'first',
    ],
    [
      'the one that has the addresses, where both did and that is the next',
      { shook: 100 },
      { shook: 100, holds: true },
      'next',
    ],
    ['the first, where both did and nobody has the addresses', { shook: 100 }, { shook: 100 }, 'first'],
    ['the next, where the first is not even there', undefined, { shook: 1 }, 'next'],
  ])('%s', (_what, one, other, expected) => {
    expect(inUse(one, other)).toBe(expected);
  });
});

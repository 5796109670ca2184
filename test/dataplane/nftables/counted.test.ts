import { describe, expect, test } from 'vitest';
import { parseChainCounter, parseCountedElements } from '../../../src/dataplane/nftables/counted.ts';
import { UnreadableOutput } from '../../../src/dataplane/unreadable.ts';

const META = { metainfo: { version: '1.0.6', release_name: 'Lester Gooch #5', json_schema_version: 1 } };
const listed = (...entries: readonly object[]) => JSON.stringify({ nftables: [META, ...entries] });

describe('elements with counters', () => {
  const set = (...elem: readonly unknown[]) =>
    listed({ set: { family: 'inet', name: 'seen_denied4', table: 'mine', elem } });

  test('are read with what was counted', () => {
    const val = { concat: ['10.213.0.16', 'tcp', '10.96.0.20', 80] };
    expect(parseCountedElements(set({ elem: { val, expires: 3599, counter: { packets: 3, bytes: 180 } } }))).toEqual([
      { set: 'seen_denied4', element: '10.213.0.16 . tcp . 10.96.0.20 . 80', packets: 3, bytes: 180 },
    ]);
  });

  test('that count nothing count zero', () => {
    expect(parseCountedElements(set('10.213.0.16'))).toEqual([
      { set: 'seen_denied4', element: '10.213.0.16', packets: 0, bytes: 0 },
    ]);
  });

  test('are none in an empty set', () => {
    expect(parseCountedElements(listed({ set: { name: 'seen_denied4' } }))).toEqual([]);
  });

  test('are not taken from what is not a listing', () => {
    expect(() => parseCountedElements('nft: what?')).toThrow(UnreadableOutput);
  });
});

describe('the counter of a chain', () => {
  const rule = (...expr: readonly object[]) => ({ rule: { family: 'inet', table: 'mine', chain: 'deny', expr } });

  test('is the first one', () => {
    const text = listed(
      { chain: { name: 'deny' } },
      rule({ accept: null }),
      rule({ counter: { packets: 7, bytes: 420 } }),
      rule({ counter: { packets: 1, bytes: 60 } }),
    );
    expect(parseChainCounter(text)).toEqual({ packets: 7, bytes: 420 });
  });

  test('is nothing where there is none', () => {
    expect(parseChainCounter(listed({ chain: { name: 'deny' } }))).toEqual({ packets: 0, bytes: 0 });
  });
});

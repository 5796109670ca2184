import { describe, expect, test } from 'vitest';
import { parseTable } from '../../../src/dataplane/nftables/parse.ts';
import { UnreadableOutput } from '../../../src/dataplane/unreadable.ts';

const META = { metainfo: { version: '1.0.6', release_name: 'Lester Gooch #5', json_schema_version: 1 } };
const TABLE = { table: { family: 'inet', name: 'mine', handle: 2 } };
const chain = (name: string, handle = 1) => ({ chain: { family: 'inet', table: 'mine', name, handle } });
const SET = {
  set: {
    family: 'inet',
    name: 'nets',
    table: 'mine',
    type: 'ipv4_addr',
    handle: 4,
    flags: ['interval'],
    elem: [{ prefix: { addr: '10.0.0.0', len: 9 } }, '192.0.2.1', { range: ['192.0.2.8', '192.0.2.9'] }],
  },
};
const CONCAT = {
  set: {
    family: 'inet',
    name: 'grants',
    table: 'mine',
    type: ['ipv4_addr', 'inet_service'],
    handle: 5,
    elem: [
      { concat: ['10.96.0.10', 53] },
      { elem: { val: { concat: [{ prefix: { addr: '10.1.0.0', len: 16 } }, 80] }, expires: 3 } },
    ],
  },
};
const rule = (handle: number) => ({
  rule: {
    family: 'inet',
    table: 'mine',
    chain: 'in',
    handle,
    comment: 'hi',
    expr: [{ counter: null }, { accept: null }],
  },
});

const listing = (...entries: readonly unknown[]) => JSON.stringify({ nftables: [META, TABLE, ...entries] });
const parse = (...entries: readonly unknown[]) => parseTable(listing(...entries), 'mine');
const fingerprint = (...entries: readonly unknown[]) => parse(...entries).fingerprint;

describe('nft -j list table', () => {
  test('tells the elements of sets in our spelling', () => {
    expect([...parse(SET, CONCAT).observed.elements]).toEqual([
      ['nets', ['10.0.0.0/9', '192.0.2.1', '192.0.2.8-192.0.2.9']],
      ['grants', ['10.96.0.10 . 53', '10.1.0.0/16 . 80']],
    ]);
  });

  test('tells a set without elements', () => {
    const { elem: _none, ...empty } = SET.set;
    expect(parse({ set: empty }).observed.elements.get('nets')).toEqual([]);
  });

  test('tells what the chains with telling names say', () => {
    const { observed } = parse(chain('written_12'), chain('turned_on_forwarding_6'), chain('turned_on_forwarding_4'));
    expect(observed).toMatchObject({ table: 'mine', written: '12', intact: false, turnedOn: [4, 6] });
  });

  test('is intact when the seal is the fingerprint', () => {
    const print = fingerprint(SET, chain('in'), rule(7));
    expect(parse(SET, chain('in'), rule(7), chain(`seal_${print}`)).observed.intact).toBe(true);
    expect(parse(SET, chain('in'), chain(`seal_${print}`)).observed.intact).toBe(false);
  });

  test('has the same fingerprint whatever elements, handles and markers there are', () => {
    const { elem: _none, ...empty } = SET.set;
    expect(fingerprint({ set: { ...empty, handle: 9 } }, chain('in', 8), rule(10), chain('written_1'))).toBe(
      fingerprint(SET, chain('in'), rule(7)),
    );
  });

  test.each([
    ['a rule less', [SET, chain('in')]],
    ['a rule more', [SET, chain('in'), rule(7), rule(8)]],
    ['another chain', [SET, chain('out'), rule(7)]],
    ['a set less', [chain('in'), rule(7)]],
    ['a set of another kind', [{ set: { ...SET.set, flags: [] } }, chain('in'), rule(7)]],
  ])('has another fingerprint with %s', (_what, entries) => {
    expect(fingerprint(...entries)).not.toBe(fingerprint(SET, chain('in'), rule(7)));
  });

  test.each([
    ['nothing', ''],
    ['no JSON', 'table inet mine {'],
    ['an array', '[]'],
    ['an object without nftables', '{}'],
    ['entries that are no objects', '{"nftables":[1]}'],
    ['entries that are no array', '{"nftables":{}}'],
    ['an element of a kind we never make', listing({ set: { name: 'nets', elem: [{ map: 1 }] } })],
  ])('is refused when it holds %s', (_what, text) => {
    expect(() => parseTable(text, 'mine')).toThrow(UnreadableOutput);
  });
});

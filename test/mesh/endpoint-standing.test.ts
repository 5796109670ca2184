import { describe, expect, test } from 'vitest';
import {
  LAST_AFTER_MS,
  nextChange,
  type ToldEndpoint,
  toldEndpoints,
  WITHDRAWN_AFTER_MS,
} from '../../src/mesh/endpoint-standing.ts';
import type { FoundEndpoint } from '../../src/mesh/found-endpoint.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { NOW } from '../support/builders.ts';

const at = (node: string): FoundEndpoint => ({
  endpoint: `${node}.example.com:51840` as Endpoint,
  source: 'Node',
  nodes: [node],
  address: 'ExternalIP',
});
const THREE = ['a', 'b', 'c'].map(at);

/** A gateway over time: who serves from which moment on. */
function story(
  ...moments: readonly { readonly at: number; readonly serving: string; readonly found?: readonly FoundEndpoint[] }[]
) {
  let before: readonly ToldEndpoint[] | undefined;
  for (const { at: time, serving, found = THREE } of moments)
    before = toldEndpoints(found, new Set(serving), { before, now: NOW + time });
  return before ?? [];
}

const order = (told: readonly ToldEndpoint[]) => told.map(({ endpoint }) => endpoint[0]).join('');
const agents = (told: readonly ToldEndpoint[]) => told.map(({ agent }) => agent);
const MINUTE = 60_000;

describe('an agent stands', () => {
  const behind = (entry: Partial<FoundEndpoint>, serving: string) =>
    toldEndpoints([{ endpoint: 'x.example.com:1' as Endpoint, source: 'Node', ...entry }], new Set(serving), {
      before: undefined,
      now: NOW,
    })[0];

  test.each<[string, Partial<FoundEndpoint>, string, string]>([
    ['behind a node that serves', { nodes: ['a'] }, 'a', 'Serving'],
    ['not behind a node that does not', { nodes: ['a'] }, 'b', 'NotServing'],
    ['behind an endpoint of several nodes, one of which serves', { nodes: ['a', 'b'] }, 'b', 'Serving'],
    ['behind a load balancer where any node serves', { source: 'Service' }, 'b', 'Serving'],
    ['not behind one where none does', { source: 'Service' }, '', 'NotServing'],
    ['behind a host nobody knows', { source: 'Host' }, 'ab', 'Unknown'],
  ])('%s', (_what, entry, serving, expected) => {
    expect(behind(entry, serving)?.agent).toBe(expected);
  });

  test('behind a host since nobody knows when', () => {
    expect(behind({ source: 'Host' }, 'a')).toEqual({ endpoint: 'x.example.com:1', source: 'Host', agent: 'Unknown' });
  });

  test('since it began or ceased to, however often it is looked at', () => {
    const told = story({ at: 0, serving: 'abc' }, { at: MINUTE, serving: 'ac' }, { at: 2 * MINUTE, serving: 'ac' });
    expect(told[1]).toEqual({ ...told[1], agent: 'NotServing', since: '2026-08-01T12:01:00Z' });
    expect(told[0]?.since).toBe('2026-08-01T12:00:00Z');
  });
});

describe('the order', () => {
  test('stays while agents come up for the first time, in whatever order', () => {
    const moments = ['', 'c', 'bc', 'abc'].map((serving, index) => ({ at: index * 1000, serving }));
    for (const [index] of moments.entries()) expect(order(story(...moments.slice(0, index + 1)))).toBe('abc');
  });

  test('stays while a node is away for as long as a reboot takes', () => {
    const told = story(
      { at: 0, serving: 'abc' },
      { at: MINUTE, serving: 'bc' },
      { at: MINUTE + LAST_AFTER_MS - 1, serving: 'bc' },
    );
    expect(order(told)).toBe('abc');
    expect(agents(told)).toEqual(['NotServing', 'Serving', 'Serving']);
  });

  test('has a node last that stays away, and first again once it serves', () => {
    const away = [
      { at: 0, serving: 'abc' },
      { at: MINUTE, serving: 'bc' },
      { at: MINUTE + LAST_AFTER_MS, serving: 'bc' },
    ];
    expect(order(story(...away))).toBe('bca');
    expect(order(story(...away, { at: 20 * MINUTE, serving: 'abc' }))).toBe('abc');
  });

  test('stays where nobody serves, however long', () => {
    const told = story({ at: 0, serving: 'abc' }, { at: MINUTE, serving: '' }, { at: 60 * MINUTE, serving: '' });
    expect(order(told)).toBe('abc');
  });

  test('has a new node last until it has served', () => {
    const later = [
      { at: 0, serving: 'bc', found: THREE.slice(1) },
      { at: MINUTE, serving: 'bc' },
    ];
    expect(order(story(...later))).toBe('bca');
    expect(story(...later)[2]?.since).toBeUndefined();
    expect(order(story(...later, { at: 2 * MINUTE, serving: 'bc' }))).toBe('bca');
    expect(order(story(...later, { at: 2 * MINUTE, serving: 'abc' }))).toBe('abc');
  });

  test('does not care for names and load balancers, which lead elsewhere by themselves', () => {
    const found: readonly FoundEndpoint[] = [
      { endpoint: 'lb.example.com:1' as Endpoint, source: 'Service' },
      { endpoint: 'dns.example.com:1' as Endpoint, source: 'DNS', nodes: ['a'] },
      at('b'),
    ];
    const told = story(
      { at: 0, serving: 'ab', found },
      { at: MINUTE, serving: 'b', found },
      { at: 60 * MINUTE, serving: 'b', found },
    );
    expect(order(told)).toBe('ldb');
    expect(agents(told)).toEqual(['Serving', 'NotServing', 'Serving']);
  });

  test('is as it was before the status told of agents', () => {
    const before = THREE.map(({ endpoint, source }) => ({ endpoint, source }));
    expect(order(toldEndpoints(THREE, new Set('bc'), { before, now: NOW }))).toBe('abc');
  });
});

describe('time changes', () => {
  test('DNS first, then the order, then nothing', () => {
    const told = story({ at: 0, serving: 'abc' }, { at: MINUTE, serving: 'bc' });
    const gone = NOW + MINUTE;
    expect(nextChange(told, gone)).toBe(gone + WITHDRAWN_AFTER_MS);
    expect(nextChange(told, gone + WITHDRAWN_AFTER_MS)).toBe(gone + LAST_AFTER_MS);
    expect(nextChange(told, gone + LAST_AFTER_MS)).toBeUndefined();
  });

  test('nothing while all serve', () => {
    expect(nextChange(story({ at: 0, serving: 'abc' }), NOW)).toBeUndefined();
  });
});

test('as many nodes as there is room for are named', () => {
  const nodes = Array.from({ length: 40 }, (_, index) => `node-${index}`);
  const found: FoundEndpoint = {
    endpoint: 'vip.example.com:1' as Endpoint,
    source: 'Node',
    nodes,
    address: 'Annotation',
  };
  const [told] = toldEndpoints([found], new Set(['node-39']), { before: undefined, now: NOW });
  expect(told).toMatchObject({ agent: 'Serving', nodes: nodes.slice(0, 16) });
});

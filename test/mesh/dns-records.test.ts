import { describe, expect, test } from 'vitest';
import { type Behind, dnsRecords } from '../../src/mesh/dns-records.ts';
import { toldEndpoints, WITHDRAWN_AFTER_MS } from '../../src/mesh/endpoint-standing.ts';
import type { FoundEndpoint } from '../../src/mesh/found-endpoint.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { NOW } from '../support/builders.ts';

const at = (node: string, endpoint: string): FoundEndpoint => ({
  endpoint: endpoint as Endpoint,
  source: 'Node',
  nodes: [node],
  address: 'ExternalIP',
});
const NODES = [
  at('a', '203.0.113.1:1'),
  at('a', '[2001:db8::1]:1'),
  at('b', '203.0.113.2:1'),
  at('c', '203.0.113.3:1'),
];

const behind = (serving: string): Behind => ({ serving: new Set(serving), told: [], now: NOW });

function records(targets: readonly FoundEndpoint[], of: Behind) {
  return dnsRecords({ hostnames: ['vpn.example.com'], ttlSeconds: 30, targets }, of).map(
    ({ recordType, targets }) => `${recordType} ${targets.join(' ')}`,
  );
}

describe('names lead', () => {
  test('to every address with an agent behind it, by its family', () => {
    expect(records(NODES, behind('ac'))).toEqual(['A 203.0.113.1 203.0.113.3', 'AAAA 2001:db8::1']);
  });

  test('in the words of external-dns', () => {
    const publication = { hostnames: ['a.example.com', 'b.example.com'], ttlSeconds: 30, targets: NODES.slice(0, 1) };
    expect(dnsRecords(publication, behind('a'))).toEqual([
      { dnsName: 'a.example.com', recordType: 'A', recordTTL: 30, targets: ['203.0.113.1'] },
      { dnsName: 'b.example.com', recordType: 'A', recordTTL: 30, targets: ['203.0.113.1'] },
    ]);
  });

  test('to all where there is no agent at all: it is the name that must not vanish', () => {
    expect(records(NODES, behind(''))).toEqual(['A 203.0.113.1 203.0.113.2 203.0.113.3', 'AAAA 2001:db8::1']);
  });

  test('for a moment to a node whose agent is away, as when its pod is replaced', () => {
    const before = toldEndpoints(NODES, new Set('abc'), { before: undefined, now: NOW });
    const told = toldEndpoints(NODES, new Set('ab'), { before, now: NOW });
    const later = (ms: number) => records(NODES, { serving: new Set('ab'), told, now: NOW + ms });
    expect(later(WITHDRAWN_AFTER_MS - 1)).toContain('A 203.0.113.1 203.0.113.2 203.0.113.3');
    expect(later(WITHDRAWN_AFTER_MS)).toContain('A 203.0.113.1 203.0.113.2');
  });

  test('to a name where there is no address, for DNS allows nothing beside a CNAME', () => {
    const named = [at('a', 'one.example.net:1'), at('b', 'two.example.net:1')];
    expect(records(named, behind('ab'))).toEqual(['CNAME one.example.net']);
    expect(records(named, behind('b'))).toEqual(['CNAME two.example.net']);
    expect(records([...named, ...NODES.slice(0, 1)], behind('ab'))).toEqual(['A 203.0.113.1']);
  });

  test('to no more addresses than fit into an answer', () => {
    const many = Array.from({ length: 40 }, (_, index) => at('a', `203.0.113.${index}:1`));
    expect(records(many, behind('a'))[0]?.split(' ')).toHaveLength(17);
  });

  test('nowhere where there is nothing', () => {
    expect(records([], behind('a'))).toEqual([]);
  });
});

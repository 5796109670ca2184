import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MeshGatewayNode, ReportedConnection } from '../../src/api/meshgatewaynode.ts';
import { keyOf, type ObjectKey } from '../../src/api/resource.ts';
import { Connections } from '../../src/mesh/connections.ts';
import { aReport } from '../support/builders.ts';

const ADA = 'team-a/ada' as ObjectKey;
const BOB = 'team-a/bob' as ObjectKey;

function session(peer: string, parts: Partial<ReportedConnection> = {}): ReportedConnection {
  return {
    peer,
    endpoint: '198.51.100.7:40000',
    lastHandshake: '2026-08-01T11:59:00Z',
    since: '2026-08-01T09:00:00Z',
    ...parts,
  };
}

function report(node: string, ...connections: readonly ReportedConnection[]): MeshGatewayNode {
  return aReport({ node, status: { connections: [...connections] } }).report;
}

function take(all: Connections, one: MeshGatewayNode): ReadonlySet<ObjectKey> {
  return all.set(keyOf(one.metadata), one);
}

describe("connections from all nodes' reports", () => {
  test('are found by peer, by node', () => {
    const all = new Connections();
    take(all, report('b', session(ADA)));
    take(all, report('a', session(ADA), session(BOB)));
    expect(all.of(ADA).map(({ gateway, node }) => `${gateway} ${node}`)).toEqual(['default a', 'default b']);
    expect(all.of(BOB)).toEqual([
      expect.objectContaining({ gateway: 'default', node: 'a', endpoint: '198.51.100.7:40000' }),
    ]);
    expect(all.of('team-a/nobody' as ObjectKey)).toEqual([]);
  });

  test('name the peers that a report changed, and no others', () => {
    const all = new Connections();
    expect(take(all, report('a', session(ADA), session(BOB)))).toEqual(new Set([ADA, BOB]));
    expect(take(all, report('a', session(ADA), session(BOB)))).toEqual(new Set());
    expect(take(all, report('a', session(ADA), session(BOB, { endpoint: '198.51.100.8:1' })))).toEqual(new Set([BOB]));
    expect(take(all, report('a', session(BOB, { endpoint: '198.51.100.8:1' })))).toEqual(new Set([ADA]));
  });

  test('are found by gateway, each peer once', () => {
    const all = new Connections();
    take(all, report('a', session(ADA), session(BOB)));
    take(all, report('b', session(ADA)));
    expect([...all.connectedTo('default')]).toEqual([ADA, BOB]);
    expect([...all.connectedTo('other')]).toEqual([]);
  });

  test('go with the report', () => {
    const all = new Connections();
    const gone = report('a', session(ADA));
    take(all, gone);
    expect(all.set(keyOf(gone.metadata), undefined)).toEqual(new Set([ADA]));
    expect(all.of(ADA)).toEqual([]);
  });

  test('are after any sequence of reports what the last reports say', () => {
    const someReport = fc
      .tuple(fc.constantFrom('a', 'b', 'c'), fc.subarray([ADA, BOB]), fc.constantFrom('1', '2'))
      .map(([node, peers, port]) =>
        report(node, ...peers.map((peer) => session(peer, { endpoint: `192.0.2.1:${port}` }))),
      );
    fc.assert(
      fc.property(fc.array(someReport), (reports) => {
        const all = new Connections();
        const last = new Map<ObjectKey, MeshGatewayNode>();
        for (const one of reports) {
          const before = [all.of(ADA), all.of(BOB)];
          const changed = take(all, one);
          last.set(keyOf(one.metadata), one);
          const fresh = new Connections();
          for (const each of last.values()) take(fresh, each);
          const present = [all.of(ADA), all.of(BOB)];
          expect(present).toEqual([fresh.of(ADA), fresh.of(BOB)]);
          expect(all.size).toBe(present.filter(({ length }) => length > 0).length);
          expect(changed.has(ADA)).toBe(JSON.stringify(before[0]) !== JSON.stringify(all.of(ADA)));
        }
      }),
    );
  });
});

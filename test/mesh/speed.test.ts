import { expect, test } from 'vitest';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { judgePeer } from '../../src/mesh/peer-status.ts';
import { PeerTable, peerTable } from '../../src/mesh/peer-table.ts';
import type { MeshView } from '../../src/mesh/view.ts';
import { aNode, aPeer, aReport, aServedGateway, aView, NOW } from '../support/builders.ts';

const COUNT = 10_000;
const NODES = 20;

/** Limits are several times what is measured: they notice what grows with the square of the number, and nothing else. */
const SECONDS = 1_000;
/** For a machine that does ten other things at once. */
const PATIENCE = 60_000;

const peers = Array.from({ length: COUNT }, (_, index) =>
  aPeer({
    name: `peer-${index}`,
    namespace: `team-${index % 50}`,
    spec: { expiresAt: new Date(NOW + 1e9 + index * 1000).toISOString() },
  }),
);

function clusterOf(all: readonly MeshPeer[]): MeshView {
  const names = Array.from({ length: NODES }, (_, index) => `node-${index}`);
  return aView({
    peers: all,
    gateways: [aServedGateway()],
    nodes: names.map((name) => aNode(name)),
    reports: names.map((node) => aReport({ node })),
  });
}

function judgeAll(view: MeshView, all: readonly MeshPeer[]): readonly MeshPeer[] {
  return all.map((peer) => {
    const { status, grant } = judgePeer(view, peer, NOW);
    if (grant !== undefined) view.claims.grant(keyOf(peer.metadata), grant);
    return { ...peer, status };
  });
}

/** CPU time, not the clock's: other work on the machine must not fail a test. */
function milliseconds(act: () => void): number {
  const start = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

let known: readonly MeshPeer[] = [];

test('ten thousand peers are judged in seconds, new ones and known ones', { timeout: PATIENCE }, () => {
  const first = milliseconds(() => {
    known = judgeAll(clusterOf(peers), peers);
  });
  expect(new Set(known.map(({ status }) => status?.addresses?.[0])).size).toBe(COUNT);
  const view = clusterOf(known);
  const again = milliseconds(() => judgeAll(view, known));
  expect(first).toBeLessThan(6 * SECONDS);
  expect(again).toBeLessThan(6 * SECONDS);
});

test('a table of ten thousand members is made in a moment, and one change costs next to nothing', {
  timeout: PATIENCE,
}, () => {
  let table = new PeerTable('default');
  const all = milliseconds(() => {
    table = peerTable('default', known, NOW);
  });
  expect(table.wanted.size).toBe(COUNT);
  const one = known.at(-1);
  if (one === undefined) throw new Error('no member');
  const changes = milliseconds(() => {
    for (let round = 0; round < 100; round++) {
      table.set(keyOf(one.metadata), round % 2 === 0 ? undefined : one, NOW);
      table.nextExpiry();
      table.expire(NOW);
    }
  });
  expect(all).toBeLessThan(3 * SECONDS);
  expect(changes).toBeLessThan(100);
});

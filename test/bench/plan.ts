import { createHash } from 'node:crypto';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import type { NodePlan, NodeState } from '../../src/dataplane/node-plan.ts';
import { diff, diffPeers } from '../../src/dataplane/operation.ts';
import { planNode } from '../../src/mesh/node.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import { topology } from '../../src/mesh/topology.ts';
import { keyText, type PublicKey } from '../../src/net/key.ts';
import { aMember, aServedGateway, NOW, someFacts } from '../support/builders.ts';
import { afterOperation, BARE_NODE } from '../support/fake-host.ts';
import { type Group, median, type Report, row, times } from './row.ts';

const COUNT = 10_000;
const ROUNDS = 15;

function key(seed: string): PublicKey {
  const bytes = createHash('sha256').update(seed).digest();
  bytes[31] = (bytes[31] ?? 0) & 127;
  return keyText(bytes) as PublicKey;
}

const address = (index: number) => `10.213.${(index >> 8) + 1}.${index & 255}`;

function member(index: number, seed = 'peer') {
  return aMember({ name: `peer-${index}`, address: address(index), spec: { publicKey: key(`${seed} ${index}`) } });
}

/** What planning costs on a node with 10,000 peers. */
export const planGroup: Group = {
  name: 'plan',
  rows: ['plan_10k_ms', 'plan_one_of_10k_ms'],
  async measure(report) {
    const served = topology(aServedGateway());
    if (served === undefined) throw new Error('the gateway is not served');
    const peers = Array.from({ length: COUNT }, (_, index) => member(index));
    const plan = () => planNode(served, { facts: someFacts(), peers: peerTable('default', peers, NOW).wanted });
    whole(plan, report);
    one(peers, plan, report);
  },
};

function whole(plan: () => NodePlan, report: Report): void {
  const entries = [...plan().device.peers.values()];
  const bare = () => new Map(entries.map(({ publicKey, allowedIPs }) => [publicKey, { publicKey, allowedIPs }]));
  report(
    row({
      name: 'plan_10k_ms',
      unit: 'ms',
      value: median(times(ROUNDS, plan)),
      goal: 100,
      floor: median(times(ROUNDS, bare)),
      n: ROUNDS,
      says: 'the whole plan of a node from 10,000 MeshPeers; floor: a Map of the same 10,000 entries',
    }),
  );
}

function one(peers: readonly MeshPeer[], plan: () => NodePlan, report: Report): void {
  const table = peerTable('default', peers, NOW);
  const state: NodeState = diff(plan(), BARE_NODE).reduce(afterOperation, BARE_NODE);
  const observed = state.device?.peers ?? new Map();
  const changed = Array.from({ length: 200 }, (_, index) => member(index, 'new key'));
  const change = (index: number) => {
    const peer = changed[index];
    if (peer === undefined) return;
    const touched = table.set(keyOf(peer.metadata), peer, NOW);
    diffPeers({ name: 'wg-default', peers: table.wanted }, observed, touched);
  };
  report(
    row({
      name: 'plan_one_of_10k_ms',
      unit: 'ms',
      value: median(times(changed.length, change)),
      goal: 1,
      floor: median(times(5, () => diff(plan(), state))),
      n: changed.length,
      says: 'planning and diffing one changed peer of 10,000: a table of members, indexed by key and by address, says which entries of the interface the change may touch, and only those are compared with what was last seen there; rival: the whole plan and the whole diff',
    }),
  );
}

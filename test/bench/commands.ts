import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';
import { NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { TestNode } from '../netns/mesh.ts';
import { aKey, aMember, aServedGateway } from '../support/builders.ts';
import { type Group, row } from './row.ts';

const PEERS = 100;
/** Commands that look and change nothing. */
const LOOKS = / (show|list)\b|^wg --version/;

/** What a change costs in processes: the agent's own loop on wireguard-go in a namespace of its own. */
export const commandsGroup: Group = {
  name: 'commands',
  rows: ['commands_per_changed_peer', 'processes_per_changed_peer', 'noop_commands'],
  async measure(report) {
    const node = await TestNode.create();
    try {
      const { sync, put } = await syncedNode(node);
      const counted = async (act: () => Promise<unknown>): Promise<readonly string[]> => {
        node.commandsRun.length = 0;
        await act();
        return [...node.commandsRun];
      };
      const change = (peer: MeshPeer | undefined) =>
        counted(async () => {
          put('demo/guest', peer);
          await sync.syncTouched();
        });
      // The first change of an agent's life also asks which wg and which kernel these are.
      await change(guest('10.213.9.9'));
      await change(undefined);
      const kinds = [
        ['one added', await change(guest('10.213.9.1'))],
        ['one given another address', await change(guest('10.213.9.2'))],
        ['one removed', await change(undefined)],
      ] as const;
      const said = kinds.map(([kind, lines]) => `${kind}: ${programs(lines)}`).join('; ');
      const most = (count: (lines: readonly string[]) => number) => Math.max(...kinds.map(([, lines]) => count(lines)));
      const common = { unit: 'processes', n: kinds.length };
      report(
        row({
          ...common,
          name: 'commands_per_changed_peer',
          value: most((lines) => lines.filter((line) => /^(wg|nft|ip) /.test(line)).length),
          goal: 1,
          says: `wg, nft and ip processes for one change among ${PEERS} peers, the most of three kinds (${said})`,
        }),
      );
      report(
        row({
          ...common,
          name: 'processes_per_changed_peer',
          value: most((lines) => lines.length),
          says: 'all processes for the same; conntrack ends the connections of an address that was taken away',
        }),
      );
      const all = await counted(() => sync.syncAll());
      const peers = await counted(() => sync.syncPeers());
      report(
        row({
          name: 'noop_commands',
          unit: 'processes',
          value: [...all, ...peers].filter((line) => !LOOKS.test(line)).length,
          goal: 0,
          n: 2,
          says: `processes that change something where nothing differs; a look at everything (once a minute) runs ${all.length} that read (${programs(all)}), a look at the peers (every few seconds) ${peers.length} (${programs(peers)})`,
        }),
      );
    } finally {
      await node.dispose();
    }
  },
};

/** An agent's loop that has brought a node to its plan, and the hand that changes a MeshPeer. */
async function syncedNode(node: TestNode) {
  const gateways = new Cache<MeshGateway>(() => undefined);
  const peers = new Cache<MeshPeer>(() => undefined);
  gateways.put(aServedGateway({ status: { publicKey: node.keys.publicKey } }));
  const sync = new NodeSync({
    access: { isKnown: () => true, granted: () => NOTHING_GRANTED, ended: () => 0 },
    gateway: 'default',
    gateways,
    peers,
    host: node.host,
    clock: systemClock,
    probeKey: aKey('probe'),
    onOperation: () => undefined,
  });
  const put = (key: string, after: MeshPeer | undefined) =>
    sync.takePeer({ key: key as ReturnType<typeof keyOf>, after });
  for (let index = 0; index < PEERS; index++) {
    const peer = aMember({ name: `peer-${index}`, address: `10.213.1.${index}` });
    put(keyOf(peer.metadata), peer);
  }
  await sync.syncAll();
  return { sync, put };
}

function guest(address: string): MeshPeer {
  return aMember({ name: 'guest', namespace: 'demo', address });
}

/** `wg`, or `wg, 3 ip`: which programs ran, and how often. */
function programs(lines: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const [program = ''] = line.split(' ');
    counts.set(program, (counts.get(program) ?? 0) + 1);
  }
  return [...counts].map(([program, count]) => (count === 1 ? program : `${count} ${program}`)).join(', ') || 'none';
}

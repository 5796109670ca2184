import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeSync } from '../../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../../src/api/meshpeer.ts';
import { keyOf } from '../../../src/api/resource.ts';
import { createLinuxHost } from '../../../src/host/linux.ts';
import { Cache } from '../../../src/k8s/store.ts';
import { NOTHING_GRANTED } from '../../../src/mesh/access/access.ts';
import { keyFileName } from '../../../src/net/key.ts';
import { keyPairFrom } from '../../../src/net/key-pair.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { aKey, aMember, aServedGateway } from '../../support/builders.ts';
import { type Asked, TracedCommands } from './traced.ts';

/*
 * In a guest with kernel WireGuard: the agent's own loop on as many peers as the arguments say, one size after the other. Prints what one
 * changed peer, a look, and rivals ask of the kernel at each size, as lines of JSON.
 */
export interface Sample {
  readonly peers: number;
  readonly changes: Readonly<Record<'added' | 'given another address' | 'removed', readonly Asked[]>>;
  /** A look at the peers, and one at everything. */
  readonly peersLook: Asked;
  readonly wholeLook: Asked;
  /** The whole configuration, in which one peer differs, by `wg syncconf` and by `wg setconf`. */
  readonly syncconf: Asked;
  readonly setconf: Asked;
}

const TIMES = 3;
const DEVICE = 'wg-default';

const folder = await mkdtemp(join(tmpdir(), 'kernel-bytes-'));
const keys = keyPairFrom(new Uint8Array(32).fill(7));
await writeFile(join(folder, keyFileName(keys.publicKey)), keys.privateKey, { mode: 0o600 });

const traced = new TracedCommands(folder);
const gateways = new Cache<MeshGateway>(() => undefined);
gateways.put(aServedGateway({ spec: { dataplane: 'Kernel' }, status: { publicKey: keys.publicKey } }));
const sync = new NodeSync({
  access: { isKnown: () => true, granted: () => NOTHING_GRANTED, ended: () => 0 },
  gateway: 'default',
  gateways,
  peers: new Cache<MeshPeer>(() => undefined),
  host: createLinuxHost({
    node: 'node-a',
    privateKeysFolder: folder,
    procSys: '/proc/sys/net',
    wireguardGo: '/nonexistent',
    runDir: folder,
    commands: traced.commands,
    askProxyMode: async () => undefined,
  }),
  clock: systemClock,
  probeKey: aKey('probe'),
  onOperation: () => undefined,
});
const put = (peer: MeshPeer) => sync.takePeer({ key: keyOf(peer.metadata), after: peer });

await sync.syncAll();
let made = 0;
for (const peers of process.argv.slice(2).map(Number)) {
  for (; made < peers; made += 1) put(aMember({ name: `peer-${made}`, address: address(made) }));
  await sync.syncAll();
  console.log(JSON.stringify(await sample(peers)));
}

async function sample(peers: number): Promise<Sample> {
  // The first change of an agent's life also asks which wg and which kernel these are.
  await change('10.213.200.0');
  await change(undefined);
  const changes: Record<keyof Sample['changes'], Asked[]> = { added: [], 'given another address': [], removed: [] };
  for (let time = 1; time <= TIMES; time += 1) {
    changes.added.push(await change(`10.213.200.${time}`));
    changes['given another address'].push(await change(`10.213.201.${time}`));
    changes.removed.push(await change(undefined));
  }
  const peersLook = await traced.during(() => sync.syncPeers());
  const wholeLook = await traced.during(() => sync.syncAll());
  return {
    peers,
    changes,
    peersLook,
    wholeLook,
    syncconf: await written('syncconf', 1),
    setconf: await written('setconf', 2),
  };
}

/** One MeshPeer comes, gets another address, or goes, and the agent carries it out. */
function change(to: string | undefined): Promise<Asked> {
  const guest = aMember({ name: 'guest', address: to ?? '' });
  sync.takePeer({ key: keyOf(guest.metadata), after: to === undefined ? undefined : guest });
  return traced.during(() => sync.syncTouched());
}

/** One peer's address is another in the file. */
async function written(verb: 'syncconf' | 'setconf', index: number): Promise<Asked> {
  const { commands } = traced;
  const now = await commands.run(['wg', 'showconf', DEVICE]);
  const file = join(folder, 'rival.conf');
  await writeFile(file, now.replace(`${address(index)}/32`, `10.213.202.${index}/32`), { mode: 0o600 });
  return traced.during(() => commands.run(['wg', verb, DEVICE, file]));
}

function address(index: number): string {
  return `10.213.${1 + Math.floor(index / 250)}.${index % 250}`;
}

import { isDeepStrictEqual } from 'node:util';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { versionNumber } from '../api/resource.ts';
import { delay } from '../k8s/clock.ts';
import type { Change } from '../k8s/store.ts';
import { isAwaited } from '../mesh/members.ts';
import { topology } from '../mesh/topology.ts';
import type { AgentOptions } from './agent-options.ts';
import type { AgentParts } from './parts.ts';

/** Everything is observed anew this often, whatever the monitors say. */
const RESYNC_MS = 60_000;
/** The interface's peers are looked at this often for handshakes and changes by another hand; rarer where the dump is long. */
const PEERS_MS = 3_000;
const PEERS_MS_PER_PEER = 2;
/** While the gateway has two keys, those who have come by the other one are looked for this often: until then no answer reaches them. */
const ARRIVALS_MS = 200;
/** How far the node has followed MeshPeers that changed nothing on it is looked at this often. */
const VERSION_MS = 60_000;

/** Wakes the agent whenever resources, the node or files say something else, and every now and then, until the signal is aborted. */
export function watch(options: AgentOptions, parts: AgentParts, signal: AbortSignal): void {
  const { wake, sync } = parts;
  followPeers(options, parts);
  followGateway(options, parts);
  followNode(options, parts, signal);
  wake.wish('all');
  const every = (ms: () => number, act: () => unknown) => void repeat({ clock: options.clock, ms, signal }, act);
  every(
    () => ARRIVALS_MS,
    () => sync.isTwofold && wake.wish('arrivals'),
  );
  every(
    () => RESYNC_MS,
    () => wake.wish('all'),
  );
  every(
    () => Math.max(PEERS_MS, sync.table.wanted.size * PEERS_MS_PER_PEER),
    () => wake.wish('peers'),
  );
  every(
    () => VERSION_MS,
    () => wake.wish('touched'),
  );
}

function followPeers({ peers }: AgentOptions, { sync, audit, expiry, reporter, wake }: AgentParts): void {
  /** How far the MeshPeers have been followed. */
  let followed = -1n;
  const take = (change: Change<MeshPeer>) => {
    sync.takePeer(change);
    audit.takePeer(change, 'news');
    expiry.arm();
    const version = versionNumber(peers.lastResourceVersion);
    if (version < followed) reporter.wentBack();
    followed = version;
    const awaited = change.after && isAwaited(change.after) ? change.after.metadata.resourceVersion : undefined;
    if (awaited !== undefined) reporter.await(awaited);
    if (sync.hasTouched || awaited !== undefined) wake.wish('touched');
  };
  for (const [key, after] of peers.entries()) audit.takePeer({ key, after }, 'found');
  peers.subscribe(take);
  for (const [key, after] of peers.entries()) take({ key, after });
}

function followGateway({ gateways, gateway }: AgentOptions, { wake }: AgentParts): void {
  gateways.subscribe(({ key, before, after }) => {
    if (key !== gateway) return;
    if (!isDeepStrictEqual(before && forNode(before), after && forNode(after))) wake.wish('all');
    if (!isDeepStrictEqual(before?.status?.leavingNodes, after?.status?.leavingNodes)) wake.wish('peers');
  });
}

function followNode({ host }: AgentOptions, { sync, repairs, movedFlows, wake }: AgentParts, signal: AbortSignal) {
  host.watchDrift(
    sync.names,
    signal,
    (_what, by) => repairs.heard(by),
    (packet) => movedFlows.take(packet),
  );
  host.watchPresharedKeys(signal, () => {
    sync.presharedKeysChanged();
    wake.wish('touched');
  });
  host.watchPrivateKeys(signal, () => wake.wish('all'));
}

interface Repeated extends Pick<AgentOptions, 'clock'> {
  /** How long to wait each time. */
  readonly ms: () => number;
  readonly signal: AbortSignal;
}

async function repeat({ clock, ms, signal }: Repeated, act: () => unknown): Promise<void> {
  while (!signal.aborted) {
    await delay(clock, ms(), signal);
    act();
  }
}

/** What of a gateway decides about its nodes; the counts in its status change with every peer. */
function forNode(gateway: MeshGateway): unknown {
  const { spec, status, metadata } = gateway;
  const { gateway: _, ...decided } = topology(gateway) ?? { gateway };
  return [spec, status?.observedGeneration, decided, metadata.deletionTimestamp, metadata.uid];
}

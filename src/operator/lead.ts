import { clusterMeshAccessType } from '../api/clustermeshaccess.ts';
import { meshAccessType } from '../api/meshaccess.ts';
import { meshGatewayType } from '../api/meshgateway.ts';
import { meshPeerType } from '../api/meshpeer.ts';
import type { Client } from '../k8s/client.ts';
import { type ControllerRun, createController } from '../k8s/controller.ts';
import type { EventRecorder } from '../k8s/events.ts';
import type { Transport } from '../k8s/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { AppliedChildren } from './applied-children.ts';
import { applyCrds } from './apply-crds.ts';
import { AuditedDecisions } from './audited-decisions.ts';
import type { OperatorConfig } from './config.ts';
import { DnsEndpoints } from './dns-endpoints.ts';
import { GatewaySecrets } from './gateway-secrets.ts';
import { KubeadmConfig } from './kubeadm-config.ts';
import { MeshState } from './mesh-state.ts';
import { reconcileAccess } from './meshaccess.ts';
import { reconcileGateway } from './meshgateway.ts';
import { reconcilePeer } from './meshpeer.ts';
import type { Reconciled } from './metrics.ts';
import { OfferedChildren } from './offered-children.ts';
import { reconcilePresharedKeys } from './preshared-keys.ts';
import type { OperatorRecorder } from './recorder.ts';
import { type FollowingOptions, startStores } from './stores.ts';
import { UnreadableTeller } from './unreadable.ts';
import { connect } from './wiring.ts';

/** What a leader works with. */
export interface Leadership {
  readonly transport: Transport;
  readonly client: Client;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the audit log goes, whatever the level of the other one. */
  readonly audit: Log;
  readonly config: OperatorConfig;
  readonly namespace: string;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly recorder?: OperatorRecorder;
}

/** Peers decided at once; the API server's answers, not this program, are what takes time. */
const PEER_CONCURRENCY = 8;

/** Whatever no watch tells (the kubeadm configuration, a missed thought) is looked at again this often. */
const GATEWAY_RESYNC_MS = 5 * 60_000;

/** Decides and writes until leadership ends. Every fact is read anew, so whoever leads next goes on where this one stopped. */
export async function lead(leadership: Leadership, leading: AbortSignal): Promise<void> {
  try {
    leadership.recorder?.leads(true);
    while (!leading.aborted) await decideInOneHistory(leadership, leading);
  } finally {
    leadership.recorder?.leads(false);
  }
}

/** Decides until leadership ends or the API server's history goes back, as after a restored backup: what is known of versions is worth nothing then. */
async function decideInOneHistory(leadership: Leadership, leading: AbortSignal): Promise<void> {
  const history = new AbortController();
  const signal = AbortSignal.any([leading, history.signal]);
  try {
    await decide(leadership, signal, () => history.abort());
  } catch (error) {
    // It may end in the middle of a first look; that is no failure.
    if (!signal.aborted) throw error;
  }
}

async function decide(leadership: Leadership, leading: AbortSignal, onRewound: () => void): Promise<void> {
  const { transport, client, clock, config, namespace, log, recorder } = leadership;
  await applyCrds(client, config.pool);
  const teller = new UnreadableTeller(leadership);
  const onNotice: FollowingOptions['onNotice'] = (notice, type) => {
    log.warn({ resource: type.plural, ...notice }, 'watch');
    recorder?.watched(type.plural, notice);
    if (notice.kind === 'rewound') onRewound();
    if (notice.kind === 'unparsable') void teller.tell(type, notice.key, notice.error);
  };
  const stores = await startStores({ transport, client }, namespace, { signal: leading, clock, onNotice });
  teller.follow(meshPeerType, stores.peers);
  teller.follow(meshGatewayType, stores.gateways);
  teller.follow(meshAccessType, stores.accesses);
  teller.follow(clusterMeshAccessType, stores.clusterAccesses);
  const state = new MeshState(
    stores,
    { pool: config.pool, namespace, peersPerOwner: config.quotas.peersPerOwner },
    clock,
  );
  const children = new AppliedChildren(client);
  const dnsEndpoints = new DnsEndpoints({
    ...leadership,
    signal: leading,
    onNotice,
    onChange: () => {
      for (const [key] of stores.gateways.entries()) gateways.add(key);
    },
  });
  const secrets = new GatewaySecrets({
    ...{ transport, namespace, clock, signal: leading, onNotice },
    gateways: stores.gateways,
    onChange: (gateway) => gateways.add(gateway),
  });
  const gatewayContext = {
    ...leadership,
    stores,
    state,
    children,
    offered: new OfferedChildren(children, clock),
    dnsEndpoints,
    secrets,
    kubeadmConfig: new KubeadmConfig(client, clock),
  };
  const peerContext = { ...leadership, peers: stores.peers, state, decisions: new AuditedDecisions(leadership.audit) };
  const gateways = createController({
    reconcile: (key) => reconcileGateway(key, gatewayContext),
    clock,
    resyncEvery: GATEWAY_RESYNC_MS,
    onRun: (run) => tell(leadership, 'MeshGateway', run),
  });
  const peers = createController({
    reconcile: (key) => reconcilePeer(key, peerContext),
    clock,
    concurrency: PEER_CONCURRENCY,
    onRun: (run) => tell(leadership, 'MeshPeer', run),
  });
  const keysContext = { ...leadership, stores, state, children, nudges: new Map() };
  const presharedKeys = createController({
    reconcile: (key) => reconcilePresharedKeys(key, keysContext),
    clock,
    onRun: (run) => tell(leadership, 'PresharedKeys', run),
  });
  const accessContext = {
    ...leadership,
    accesses: stores.accesses,
    clusterAccesses: stores.clusterAccesses,
    world: state.access,
    state,
  };
  const accesses = createController({
    reconcile: (key) => reconcileAccess(key, accessContext),
    clock,
    onRun: (run) => tell(leadership, 'MeshAccess', run),
  });
  connect(stores, state, { peers, gateways, presharedKeys, accesses }, clock);
  for (const controller of [gateways, presharedKeys]) controller.watch(stores.gateways, ({ key }) => [key]);
  const controllers = { MeshGateway: gateways, MeshPeer: peers, PresharedKeys: presharedKeys, MeshAccess: accesses };
  recorder?.shows({ ...stores, waiting: (kind) => controllers[kind].waiting });
  log.info({ peers: stores.peers.size, gateways: stores.gateways.size }, 'leading');
  await Promise.all(Object.values(controllers).map((controller) => controller.run(leading)));
}

function tell({ log, recorder }: Leadership, kind: Reconciled, run: ControllerRun): void {
  recorder?.reconciled(kind, run);
  if (run.kind === 'failed') {
    const { key, error, failures, retryInMs } = run;
    log.warn({ kind, key, error, failures, retryInMs }, 'reconcile failed');
    return;
  }
  log.debug({ kind, key: run.key, outcome: run.outcome, tookMs: Math.round(run.tookMs) }, 'reconciled');
}

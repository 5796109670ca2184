import { isDeepStrictEqual } from 'node:util';
import { type Condition, type ConditionType, findCondition, isTrue, type Reason } from '../api/conditions.ts';
import { type MeshGateway, type MeshGatewayStatus, meshGatewayType } from '../api/meshgateway.ts';
import { CLEANUP_FINALIZER, childName, OPERATOR_MANAGER } from '../api/names.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { type Outcome, settled, sooner, waiting } from '../k8s/outcome.ts';
import { publishedBy } from '../mesh/dns-names.ts';
import { nextChange } from '../mesh/endpoint-standing.ts';
import { findEndpoints } from '../mesh/endpoints.ts';
import { WAITING } from '../mesh/endpoints-found.ts';
import type { EndpointProblem } from '../mesh/found-endpoint.ts';
import type { GatewayFindings } from '../mesh/gateway-checks.ts';
import { judgeGateway } from '../mesh/gateway-status.ts';
import { servingNodes } from '../mesh/selectors.ts';
import { findServiceCidrs } from '../mesh/service-cidrs.ts';
import { servingOf } from '../mesh/view.ts';
import { addressesIn } from '../net/address.ts';
import type { Clock } from '../runtime/clock.ts';
import { clearAbandonedNodes } from './abandoned-nodes.ts';
import { type DnsEndpoints, LOOK_EVERY_MS } from './dns-endpoints.ts';
import { applyGatewayChildren, type GatewayChildren } from './gateway-children.ts';
import { cleanUp } from './gateway-cleanup.ts';
import type { GatewaySecrets, KeyStores } from './gateway-secrets.ts';
import { gatewayKeys } from './key-secret.ts';
import type { KubeadmConfig } from './kubeadm-config.ts';
import { leaseKeyOf } from './liveness.ts';
import type { MeshState } from './mesh-state.ts';
import { ASK_AGAIN_MS } from './offered-children.ts';
import type { Stores } from './stores.ts';
import { writeStatus } from './write-status.ts';

export interface GatewayReconciler extends GatewayChildren {
  readonly stores: Stores;
  readonly state: MeshState;
  readonly dnsEndpoints: DnsEndpoints;
  readonly secrets: GatewaySecrets;
  readonly kubeadmConfig: KubeadmConfig;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** Brings one gateway's children and status to what is decided about it now. */
export async function reconcileGateway(key: ObjectKey, context: GatewayReconciler): Promise<Outcome> {
  const { stores, state, client, clock } = context;
  const gateway = stores.gateways.get(key);
  if (gateway === undefined) return settled;
  if (gateway.metadata.deletionTimestamp !== undefined) return cleanUp(gateway, context);
  await holdForCleanup(client, gateway);
  const secrets = context.secrets.of(gateway);
  // Without having looked, a key would be taken for lost. Having looked wakes this gateway.
  if (secrets === undefined) return settled;
  const findings = await gather(gateway, secrets, context);
  const judged = judgeGateway(state, gateway, findings, clock.now());
  // A gateway that is not accepted keeps the children it has: its nodes go on as they are.
  const isAccepted = isTrue(judged.conditions ?? [], 'Accepted');
  const refused = isAccepted ? await applyChildren(gateway, { findings, status: judged }, context) : [];
  const status = refused.length === 0 ? judged : judgeWith(refused, gateway, findings, context);
  if (!isDeepStrictEqual(gateway.status, status)) {
    await writeStatus(client, meshGatewayType, gateway, status);
    announce(context.events, gateway, status);
  }
  const clearing = isAccepted ? await clearAbandonedNodes(gateway, context) : settled;
  const leases = state.nodesOf(gateway.metadata.name).map(({ report }) => leaseKeyOf(report));
  const next = state.liveness.nextExpiryIn(leases);
  const watching = next === undefined ? settled : waiting(next, 'an agent may miss its Lease');
  const entry = nextOfEndpoints(gateway, status, { isRefused: refused.length > 0, now: clock.now() });
  return [watching, nextOfKeys(findings, clock.now()), entry].reduce(sooner, clearing);
}

/** What the API server refused is told like every other mistake. */
function judgeWith(
  refused: readonly EndpointProblem[],
  gateway: MeshGateway,
  findings: GatewayFindings,
  { state, clock }: GatewayReconciler,
): MeshGatewayStatus {
  const reasons = new Set(refused.map(({ reason }) => reason));
  const others = findings.endpointProblems.filter(
    ({ reason }) => reason !== 'WaitingForService' || !reasons.has('ServiceRefused'),
  );
  const endpointProblems = [...refused, ...others];
  return judgeGateway(state, gateway, { ...findings, endpointProblems }, clock.now());
}

function nextOfEndpoints(
  { spec }: MeshGateway,
  { endpoints = [] }: MeshGatewayStatus,
  { isRefused, now }: { readonly isRefused: boolean; readonly now: number },
): Outcome {
  const change = nextChange(endpoints, now);
  const standing = change === undefined ? settled : waiting(change - now, 'an agent may stay away');
  const asking = isRefused ? waiting(ASK_AGAIN_MS, 'a refused child may be taken') : settled;
  const isDnsEndpoint = spec.endpoint.dns !== undefined && publishedBy(spec.endpoint) === 'DNSEndpoint';
  const looking = isDnsEndpoint ? waiting(LOOK_EVERY_MS, 'DNSEndpoints may come and go') : settled;
  return [asking, looking].reduce(sooner, standing);
}

function nextOfKeys({ keys }: GatewayFindings, now: number): Outcome {
  if (keys?.until === undefined) return settled;
  return waiting(Math.min(Math.max(keys.until - now, 0), LONGEST_TIMER_MS), 'the former key ends');
}

/** setTimeout takes no more than 2^31 ms. */
const LONGEST_TIMER_MS = 86_400_000;

/** Everything that is read for one decision about a gateway, and the key, which is made where there is none. */
async function gather(gateway: MeshGateway, secrets: KeyStores, context: GatewayReconciler): Promise<GatewayFindings> {
  const { stores, state, namespace, dnsEndpoints } = context;
  const serving = new Set(servingNodes(gateway, state.nodes));
  const service = stores.services.get(`${namespace}/${childName(gateway.metadata.name)}` as ObjectKey);
  const nodes = state.nodes.filter(({ metadata }) => serving.has(metadata.name));
  const sources = {
    serviceCidrs: [...(stores.serviceCidrs?.values() ?? [])],
    kubeadmConfig: await context.kubeadmConfig.read(),
  };
  const { name } = gateway.metadata;
  const keys = await gatewayKeys(gateway, {
    ...context,
    secrets,
    view: state,
    lingeringAt: (former) => state.lingeringAt(name, former),
    now: context.clock.now(),
  });
  const { endpoints, problems, publication } = findEndpoints(gateway, {
    slot: keys.keys?.held.current.slot ?? 1,
    service,
    nodes,
    dns: await dnsEndpoints.sight(name),
  });
  return {
    ...keys,
    serviceCidrs: findServiceCidrs(gateway, sources),
    endpoints,
    endpointProblems: problems,
    publication,
    dnsServers: dnsServers(gateway, stores),
    peers: state.countPeers(gateway.metadata.name),
  };
}

function dnsServers(gateway: MeshGateway, stores: Stores) {
  const explicit = addressesIn(gateway.spec.dns.servers);
  if (explicit.length > 0) return explicit;
  const services = [...stores.dnsServices.values()].sort((one, other) =>
    one.metadata.name < other.metadata.name ? -1 : 1,
  );
  return addressesIn(services.flatMap(({ spec }) => spec.clusterIPs)).slice(0, 2);
}

function applyChildren(
  gateway: MeshGateway,
  { findings, status }: { readonly findings: GatewayFindings; readonly status: MeshGatewayStatus },
  context: GatewayReconciler,
): Promise<readonly EndpointProblem[]> {
  const { state, clock } = context;
  const behind = { serving: servingOf(state, gateway), told: status.endpoints ?? [], now: clock.now() };
  return applyGatewayChildren(gateway, { publication: findings.publication, behind }, context);
}

/** The finalizer keeps a deleted gateway in sight until its nodes are clean. The uid keeps an apply from bringing a deleted one back. */
async function holdForCleanup(client: Client, gateway: MeshGateway): Promise<void> {
  if (gateway.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return;
  const metadata = { name: gateway.metadata.name, uid: gateway.metadata.uid, finalizers: [CLEANUP_FINALIZER] };
  await client.apply(meshGatewayType, { metadata }, { fieldManager: OPERATOR_MANAGER });
}

/** Every gateway passes through these on its way to Ready. */
const BEGINNING: ReadonlySet<string> = new Set<Reason<'MeshGateway', 'Programmed' | 'ServicesReachable'>>([
  'WaitingForNodes',
  'NotProbed',
]);

const LIMITS: ReadonlySet<string> = new Set<ConditionType<'MeshGateway'>>([
  'ConnectionTracking',
  'GrantsOpened',
  'EndpointsFound',
]);

/** An Event when a person should look: whenever a gateway begins or ceases to work, or the reason changes. */
function announce(events: EventRecorder, gateway: MeshGateway, status: MeshGatewayStatus): void {
  for (const type of ['Accepted', 'KeyApplied', ...LIMITS, 'Ready']) {
    const before = findCondition(gateway.status?.conditions ?? [], type);
    const after = findCondition(status.conditions ?? [], type);
    if (after === undefined || !isNews(type, before, after)) continue;
    // Ready follows Accepted; one Event is enough.
    if (type === 'Ready' && after.reason === 'NotAccepted') continue;
    const isBeginning = type === 'Ready' && before?.status !== 'True' && BEGINNING.has(whyNotReady(status));
    const isNormal = after.status === 'True' || isBeginning || WAITING.has(after.reason);
    const severity = isNormal ? 'Normal' : 'Warning';
    events.record({ regarding: gateway, type: severity, reason: after.reason, action: 'Serve', note: after.message });
  }
}

/** Of a limit or a mistake it is news when it is there, and when it is no more. */
function isNews(type: string, before: Condition | undefined, after: Condition): boolean {
  if (LIMITS.has(type) && after.status !== 'False' && before?.status !== 'False') return false;
  return before?.status !== after.status || before.reason !== after.reason;
}

function whyNotReady({ conditions = [] }: MeshGatewayStatus): string {
  const programmed = findCondition(conditions, 'Programmed');
  const cause = programmed?.status === 'True' ? findCondition(conditions, 'ServicesReachable') : programmed;
  return cause?.reason ?? '';
}

import { conditionsFrom, findCondition, type Verdict, verdict } from '../api/conditions.ts';
import type { Connection, MeshPeer, MeshPeerStatus } from '../api/meshpeer.ts';
import { keyOf } from '../api/resource.ts';
import { milliseconds, timestamp } from '../api/timestamp.ts';
import { addressesIn, addressFamily } from '../net/address.ts';
import type { Grant } from './claims.ts';
import { planClient } from './client.ts';
import { type HandshakeTurn, handshakeTurn, isDue } from './handshake-turns.ts';
import { lastKeys, usesCurrentKey } from './lingering.ts';
import { expiryOf } from './members.ts';
import { type Admission, admission } from './peer-checks.ts';
import { NOT_PROGRAMMED, programmed, type Served, sameTexts } from './peer-programmed.ts';
import { type Rotation, rotation } from './peer-rotation.ts';
import { topology } from './topology.ts';
import type { GatewayNode, MeshView } from './view.ts';
import { wgQuick } from './wg-quick.ts';

/** What `status.connections` has room for. */
const MOST_CONNECTIONS = 256;

/** How many endpoints of a gateway a status names, so that a node more or less in a big cluster rewrites no ten thousand statuses. */
export const MOST_ENDPOINTS = 4;

/** What is decided about one peer at a moment. */
export interface PeerJudgement {
  readonly status: MeshPeerStatus;
  /** What the peer was given, to be counted by the next decision; undefined when it is not let in. */
  readonly grant: Grant | undefined;
  /** When time alone changes this judgement, in milliseconds since the epoch; undefined for never. */
  readonly until: number | undefined;
}

/** Decides one peer: whether it is let in, with what, and how far that has come. `now` is in milliseconds since the epoch. */
export function judgePeer(view: MeshView, peer: MeshPeer, now: number): PeerJudgement {
  const result = admission(view, peer, now);
  const admitted = 'value' in result ? result.value : undefined;
  const nodes = (admitted?.gateways ?? []).flatMap(({ metadata }) => view.nodesOf(metadata.name));
  const served = (admitted?.gateways ?? []).map(topology);
  const key = keyOf(peer.metadata);
  const turn = handshakeTurn(key, view.connectedPeers, now);
  const live = liveConnections(view.connectionsOf(key), nodes);
  const connections = live.map((connection) => toldConnection(peer, connection, turn, now));
  const rotating = rotation(peer, admitted, connections, now);
  const { keys, told } = keysUsed(peer, admitted, live);
  const verdicts = [
    'violation' in result ? refusal(result.violation) : acceptance(result.value),
    admitted === undefined ? NOT_PROGRAMMED : programmed(view, peer, { admitted, nodes, served }),
    connected(peer, admitted, connections),
    ...(rotating === undefined ? [] : [rotating.verdict]),
    ...told,
  ];
  return {
    status: {
      ...(peer.metadata.generation === undefined ? {} : { observedGeneration: peer.metadata.generation }),
      ...(admitted === undefined ? kept(peer) : given(peer, admitted, { served, connections, rotating })),
      ...(keys.length === 0 ? {} : { gatewayKeys: keys }),
      conditions: [
        ...conditionsFrom(verdicts, peer.status?.conditions ?? [], peer.metadata.generation ?? 0, timestamp(now)),
      ],
    },
    grant: admitted === undefined ? undefined : grantOf(admitted),
    until: earliestAfter(now, [expiryOf(peer), rotating?.until, live.length === 0 ? undefined : turn.next]),
  };
}

function grantOf({ publicKey, nextPublicKey, addresses }: Admission): Grant {
  return { publicKey, ...(nextPublicKey === undefined ? {} : { nextPublicKey }), addresses };
}

function earliestAfter(now: number, times: readonly (number | undefined)[]): number | undefined {
  const next = Math.min(...times.flatMap((time) => (time !== undefined && time > now ? [time] : [])));
  return next < Number.POSITIVE_INFINITY ? next : undefined;
}

/** By which keys of its gateways the device came, and what there is to say of that: as nodes report it, for what is told may be older. */
function keysUsed({ status }: MeshPeer, admitted: Admission | undefined, connections: readonly Connection[]) {
  const gateways = admitted?.gateways ?? [];
  const names = gateways.map(({ metadata }) => metadata.name);
  const keys = lastKeys(status?.gatewayKeys ?? [], names, connections);
  const verdict = usesCurrentKey(keys, gateways);
  return { keys, told: verdict === undefined ? [] : [verdict] };
}

/**
 * A refused peer keeps the key and the addresses that it still asks for, so that it is the same device when it comes back, and
 * gives the others free: what it could claim again by an edit, somebody else may have been given meanwhile.
 */
function kept({ spec, status }: MeshPeer): MeshPeerStatus {
  const wished = addressesIn(spec.addresses ?? []);
  const families = new Set(wished.map(addressFamily));
  const addresses = addressesIn(status?.addresses ?? []).filter(
    (address) => wished.includes(address) || !families.has(addressFamily(address)),
  );
  return {
    ...(status?.publicKey === spec.publicKey ? { publicKey: spec.publicKey } : {}),
    ...(spec.nextPublicKey !== undefined && status?.nextPublicKey === spec.nextPublicKey
      ? { nextPublicKey: spec.nextPublicKey }
      : {}),
    ...(addresses.length === 0 ? {} : { addresses: [...addresses] }),
    ...(status?.gatewayKeys === undefined ? {} : { gatewayKeys: status.gatewayKeys }),
  };
}

/** Each gateway and node once, the newest session first. What a dead node reported last does not count: nobody knows whether it still is. */
function liveConnections(reported: readonly Connection[], nodes: readonly GatewayNode[]): readonly Connection[] {
  if (reported.length === 0) return [];
  const alive = new Set(
    nodes.flatMap(({ report, alive }) => (alive ? `${report.spec.gateway} ${report.spec.node}` : [])),
  );
  const latest = new Map<string, Connection>();
  for (const connection of reported) {
    const place = `${connection.gateway} ${connection.node}`;
    if (!alive.has(place)) continue;
    const other = latest.get(place);
    if (other === undefined || other.lastHandshake < connection.lastHandshake) latest.set(place, connection);
  }
  const newestFirst = [...latest].sort(([place, { since }], [otherPlace, other]) => {
    if (since !== other.since) return since < other.since ? 1 : -1;
    return place < otherPlace ? -1 : 1;
  });
  return newestFirst.slice(0, MOST_CONNECTIONS).map(([, connection]) => connection);
}

/** A session as it is stored where it is the same one, with handshakes that are told when it is the device's turn; else as it is. */
function toldConnection({ status }: MeshPeer, fresh: Connection, turn: HandshakeTurn, now: number): Connection {
  const stored = status?.connections?.find((one) => isSameSession(one, fresh));
  if (stored === undefined) return fresh;
  const handshake = milliseconds(stored.lastHandshake);
  return Number.isNaN(handshake) || isDue(handshake, turn, now) ? fresh : stored;
}

function isSameSession(stored: Connection, { gateway, node, endpoint, since, publicKey, gatewayKey }: Connection) {
  return (
    stored.gateway === gateway &&
    stored.node === node &&
    stored.endpoint === endpoint &&
    stored.since === since &&
    stored.publicKey === publicKey &&
    stored.gatewayKey === gatewayKey
  );
}

interface Given {
  readonly served: Served;
  readonly connections: readonly Connection[];
  readonly rotating: Rotation | undefined;
}

function given(peer: MeshPeer, admitted: Admission, { served, connections, rotating }: Given): MeshPeerStatus {
  const topologies = served.flatMap((one) => one ?? []);
  const { status } = peer;
  // Nodes go on as they are while their gateway is refused, and so may devices with what they were told before.
  const isKept = topologies.length === 0 && sameTexts(status?.addresses ?? [], admitted.addresses);
  const planned = planClient(peer, { addresses: admitted.addresses, gateways: topologies }, MOST_ENDPOINTS);
  const config = isKept ? status?.config : planned && wgQuick(planned);
  return {
    publicKey: admitted.publicKey,
    ...(admitted.nextPublicKey === undefined ? {} : { nextPublicKey: admitted.nextPublicKey }),
    ...(rotating?.since === undefined ? {} : { nextPublicKeySince: rotating.since }),
    ...(admitted.presharedKey === undefined ? {} : { presharedKeyVersion: admitted.presharedKey }),
    addresses: [...admitted.addresses],
    gateways: admitted.gateways.map(({ metadata }) => metadata.name),
    ...(connections.length === 0 ? {} : { connections: [...connections] }),
    ...(config === undefined ? {} : { config }),
  };
}

function refusal({
  reason,
  message,
}: {
  readonly reason: Verdict<'MeshPeer'>['reason'];
  readonly message: string;
}): Verdict<'MeshPeer'> {
  return { type: 'Accepted', status: 'False', reason, message };
}

function acceptance({ gateways, addresses, refused, refusedKey }: Admission): Verdict<'MeshPeer'> {
  const sentence = `Let in by ${gateways.map(({ metadata }) => metadata.name).join(', ')} as ${addresses.join(', ')}.`;
  const violations = [...refused, ...(refusedKey === undefined ? [] : [refusedKey])];
  if (violations.length === 0) return verdict('MeshPeer', 'Accepted', 'True', 'Accepted', sentence);
  const but = violations.map(({ message }) => message).join(' ');
  return verdict('MeshPeer', 'Accepted', 'True', 'PartlyAccepted', `${sentence} But: ${but}`);
}

function connected(
  peer: MeshPeer,
  admitted: Admission | undefined,
  connections: readonly Connection[],
): Verdict<'MeshPeer'> {
  const say = (
    status: 'True' | 'False',
    reason: Parameters<typeof verdict<'MeshPeer', 'Connected'>>[3],
    message: string,
  ) => verdict('MeshPeer', 'Connected', status, reason, message);
  if (admitted === undefined)
    return say('False', 'NotAccepted', 'The device cannot connect, because it is not accepted.');
  const [first] = connections;
  if (first !== undefined) {
    const others = connections.length > 1 ? ` and ${connections.length - 1} more` : '';
    return say('True', 'Connected', `Connected to node ${first.node}${others} from ${first.endpoint}.`);
  }
  const before = findCondition(peer.status?.conditions ?? [], 'Connected');
  const wasConnected = before !== undefined && (before.status === 'True' || before.reason === 'Idle');
  return wasConnected
    ? say('False', 'Idle', 'No handshake for three minutes: the device is off, idle without keepalive, or cut off.')
    : say(
        'False',
        'NeverConnected',
        'No handshake from this device yet; bring its tunnel up with the configuration in status.config. If it is up: its private key must belong to spec.publicKey (`wg show` prints the public one), and UDP must get through to the endpoint.',
      );
}

import type { Operation } from '../dataplane/operation.ts';
import type { ObservedPeer, WantedPeer } from '../dataplane/wireguard/device.ts';
import { madeAnew, type PeerChange } from '../dataplane/wireguard/peer-change.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { PublicKey } from '../net/key.ts';
import type { SeenInterface } from './seen-interfaces.ts';

/** A device to be called. */
export interface Call {
  readonly publicKey: PublicKey;
  /** Where it was last seen by another node; without one it is called where this node has it. */
  readonly endpoint?: Endpoint | undefined;
  /** By the interface of the gateway's other key. */
  readonly byOtherKey: boolean;
}

/**
 * So many devices are called at once, and then there is a pause, in milliseconds, in which their answers are taken. With 128 messages of handshakes
 * that wait, wireguard-go takes itself to be under load (UnderLoadQueueSize), the kernel with 512 (MAX_QUEUED_INCOMING_HANDSHAKES / 8): each then wants
 * a cookie of whoever answers a call, who has one at the next call only, five seconds later.
 */
const CALLED_AT_ONCE = 100;
export const CALLS_PAUSE_MS = 30;

type Wanted = ReadonlyMap<PublicKey, WantedPeer>;
type PeerStep = Extract<Operation, { readonly kind: 'set-peers' }>;

/**
 * The steps that call devices. One that is called elsewhere than where this node had it loses what it had here before: the device has shaken
 * hands with another node since, and by keys older than that it would be drawn here and not be understood; and where a handshake was begun with it in the last
 * five seconds, WireGuard would begin none (REKEY_TIMEOUT). Taking a peer away costs the kernel some 17 ms, so only who was somewhere is.
 */
export function callSteps(
  calls: readonly Call[],
  interfaces: readonly SeenInterface[],
  wanted: Wanted,
): readonly PeerStep[] {
  return [false, true].flatMap((byOtherKey) => {
    const seen = interfaces[byOtherKey ? 1 : 0];
    if (seen === undefined) return [];
    const changes = calls.flatMap((call) => {
      const peer = wanted.get(call.publicKey);
      const observed = seen.peers.get(call.publicKey);
      if (call.byOtherKey !== byOtherKey || peer === undefined || observed === undefined) return [];
      const { publicKey, endpoint } = call;
      const isStale = endpoint !== undefined && observed.endpoint !== undefined;
      return [...(isStale ? madeAnew(peer) : []), { kind: 'call' as const, publicKey, endpoint }];
    });
    return step(seen, changes);
  });
}

/** Calls in groups that a node can take the answers of. */
export function callGroups(calls: readonly Call[]): readonly (readonly Call[])[] {
  const count = Math.ceil(calls.length / CALLED_AT_ONCE);
  return Array.from({ length: count }, (_, group) => calls.slice(group * CALLED_AT_ONCE, (group + 1) * CALLED_AT_ONCE));
}

/** The steps that end sessions, and calls that have had no answer. */
export function forgetSteps(
  keys: Iterable<PublicKey>,
  interfaces: readonly SeenInterface[],
  wanted: Wanted,
): readonly PeerStep[] {
  const all = [...keys];
  return interfaces.flatMap((seen) => {
    const changes = all.flatMap((key) => {
      const peer = wanted.get(key);
      return peer === undefined || seen.peers.get(key)?.endpoint === undefined ? [] : madeAnew(peer);
    });
    return step(seen, changes);
  });
}

/** Takes into what was seen that such a step was carried out. */
export function afterCall({ device, changes }: PeerStep, interfaces: readonly SeenInterface[]): void {
  const seen = interfaces.find(({ name }) => name === device);
  for (const change of changes) {
    const peer = seen?.peers.get(change.publicKey);
    if (peer === undefined) continue;
    if (change.kind === 'remove') seen?.peers.set(change.publicKey, withoutSession(peer));
    else if (change.kind === 'call' && change.endpoint !== undefined)
      seen?.peers.set(change.publicKey, { ...peer, endpoint: change.endpoint });
  }
}

function withoutSession({ endpoint: _, ...peer }: ObservedPeer): ObservedPeer {
  return { ...peer, latestHandshake: 0, receivedBytes: 0, sentBytes: 0 };
}

function step({ name }: SeenInterface, changes: readonly PeerChange[]): readonly PeerStep[] {
  return changes.length === 0 ? [] : [{ kind: 'set-peers', device: name, changes }];
}

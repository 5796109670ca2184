import { type Cidr, compareCidrs } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import type { Tunnel, TunnelPeer } from './tunnel.ts';

/** What is there of a tunnel on Linux. */
export interface ObservedTunnel {
  /** Nobody serves the interface: it outlived the wireguard-go that did. */
  readonly stopped: boolean;
  readonly up: boolean;
  readonly mtu: number;
  readonly addresses: readonly Cidr[];
  readonly publicKey: PublicKey | undefined;
  readonly peers: ReadonlyMap<PublicKey, { readonly allowedIPs: readonly Cidr[] }>;
  readonly routes: readonly Cidr[];
}

/** What is done to a laptop's tunnel on Linux; each may be repeated. */
export type TunnelStep =
  | { readonly kind: 'create' | 'start' | 'load-key' }
  | { readonly kind: 'add-address' | 'remove-address'; readonly address: Cidr }
  | { readonly kind: 'set-link'; readonly mtu: number }
  /** With its endpoint when it is new to the interface; later that is left to whoever watches the path. */
  | { readonly kind: 'add-peer' | 'change-peer'; readonly peer: TunnelPeer }
  | { readonly kind: 'remove-peer'; readonly publicKey: PublicKey }
  /** A gateway with another key: in one command, so that at every moment somebody has its prefixes. */
  | { readonly kind: 'replace-peer'; readonly publicKey: PublicKey; readonly peer: TunnelPeer }
  | { readonly kind: 'add-route' | 'remove-route'; readonly destination: Cidr };

/**
 * The steps from what is there to the tunnel; none when nothing differs. What comes is added before what goes is removed, so that
 * a refreshed configuration costs connections that it does not concern nothing.
 */
export function tunnelSteps(tunnel: Tunnel, observed: ObservedTunnel | undefined): readonly TunnelStep[] {
  const isServed = observed !== undefined && !observed.stopped;
  const before = isServed ? observed.peers : new Map<PublicKey, { readonly allowedIPs: readonly Cidr[] }>();
  const addresses = observed?.addresses ?? [];
  const routes = observed?.routes ?? [];
  const keys = new Set(tunnel.peers.map(({ publicKey }) => publicKey));
  const replaced = replacements(tunnel, before);
  return [
    ...(observed === undefined ? [{ kind: 'create' } as const] : []),
    ...(observed?.stopped === true ? [{ kind: 'start' } as const] : []),
    ...(isServed && observed.publicKey === tunnel.publicKey ? [] : [{ kind: 'load-key' } as const]),
    ...missing(tunnel.addresses, addresses).map((address) => ({ kind: 'add-address', address }) as const),
    ...(isServed && observed.up && observed.mtu === tunnel.mtu ? [] : [{ kind: 'set-link', mtu: tunnel.mtu } as const]),
    // One that goes may hold a prefix that another one gets.
    ...[...before.keys()]
      .filter((key) => !keys.has(key) && !replaced.has(key))
      .map((publicKey) => ({ kind: 'remove-peer', publicKey }) as const),
    ...[...replaced].map(([publicKey, peer]) => ({ kind: 'replace-peer', publicKey, peer }) as const),
    ...tunnel.peers
      .filter((peer) => ![...replaced.values()].includes(peer))
      .flatMap((peer) => peerSteps(peer, before.get(peer.publicKey))),
    ...missing(tunnel.routes, routes).map((destination) => ({ kind: 'add-route', destination }) as const),
    ...missing(routes, tunnel.routes).map((destination) => ({ kind: 'remove-route', destination }) as const),
    ...missing(addresses, tunnel.addresses).map((address) => ({ kind: 'remove-address', address }) as const),
  ];
}

/** A step for a person who asked to see what is done, without anything secret. */
export function stepText(step: TunnelStep, device: string): string {
  switch (step.kind) {
    case 'create':
      return `make the interface ${device}`;
    case 'start':
      return `serve ${device} by wireguard-go`;
    case 'load-key':
      return `load the private key into ${device}`;
    case 'add-address':
    case 'remove-address':
      return `${step.kind === 'add-address' ? 'give' : 'take'} ${device} the address ${step.address}`;
    case 'set-link':
      return `bring ${device} up with an MTU of ${step.mtu}`;
    case 'add-peer':
      return `dial ${step.peer.publicKey} at ${step.peer.endpoint ?? 'no endpoint yet'}`;
    case 'change-peer':
      return `send ${step.peer.allowedIPs.join(', ')} to ${step.peer.publicKey}`;
    case 'remove-peer':
      return `forget ${step.publicKey}`;
    case 'replace-peer':
      return `dial ${step.peer.publicKey} at ${step.peer.endpoint ?? 'no endpoint yet'} instead of ${step.publicKey}`;
    case 'add-route':
      return `route ${step.destination} into ${device}`;
    case 'remove-route':
      return `route ${step.destination} no longer into ${device}`;
  }
}

/** Peers that go, each with the one that comes for the same prefixes. */
function replacements(
  { peers }: Tunnel,
  before: ReadonlyMap<PublicKey, { readonly allowedIPs: readonly Cidr[] }>,
): ReadonlyMap<PublicKey, TunnelPeer> {
  const fresh = peers.filter(({ publicKey }) => !before.has(publicKey));
  const found = new Map<PublicKey, TunnelPeer>();
  for (const [key, { allowedIPs }] of before) {
    if (peers.some(({ publicKey }) => publicKey === key)) continue;
    const heir = fresh.find((peer) => peer.allowedIPs.some((cidr) => allowedIPs.includes(cidr)));
    if (heir !== undefined && ![...found.values()].includes(heir)) found.set(key, heir);
  }
  return found;
}

function peerSteps(
  peer: TunnelPeer,
  observed: { readonly allowedIPs: readonly Cidr[] } | undefined,
): readonly TunnelStep[] {
  if (observed === undefined) return [{ kind: 'add-peer', peer }];
  const same = sorted(peer.allowedIPs).join() === sorted(observed.allowedIPs).join();
  return same ? [] : [{ kind: 'change-peer', peer }];
}

function sorted(cidrs: readonly Cidr[]): readonly Cidr[] {
  return [...cidrs].sort(compareCidrs);
}

function missing(wanted: readonly Cidr[], there: readonly Cidr[]): readonly Cidr[] {
  return wanted.filter((cidr) => !there.includes(cidr));
}

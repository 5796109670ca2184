import { isTrue, type Reason } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf } from '../api/resource.ts';
import { addressesIn, addressFamily, addressValue, type IpAddress } from '../net/address.ts';
import { allocateAddress, isAllocatable } from '../net/allocate.ts';
import { type Cidr, cidrContains, cidrFamily } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import { expiryOf } from './members.ts';
import { ownKey, ownNextKey } from './peer-keys.ts';
import { ownPresharedKey } from './preshared-key.ts';
import { selectorMatches } from './selectors.ts';
import { type MeshView, some } from './view.ts';

/** Why a peer is not let in: a reason for programs and a sentence with the remedy for people. */
export interface PeerViolation {
  readonly reason: Reason<'MeshPeer', 'Accepted'>;
  readonly message: string;
}

/** What a peer is given when nothing speaks against it. */
export interface Admission {
  readonly publicKey: PublicKey;
  /** The key that it changes to. */
  readonly nextPublicKey?: PublicKey | undefined;
  /** Why it does not get the key that it would change to. */
  readonly refusedKey?: PeerViolation | undefined;
  /** The version of the preshared key without which it must not be let in. */
  readonly presharedKey?: string | undefined;
  readonly addresses: readonly IpAddress[];
  readonly gateways: readonly MeshGateway[];
  /** Gateways that the peer named and does not get, while it gets others. */
  readonly refused: readonly PeerViolation[];
}

export type Verdicts<T> = { readonly value: T } | { readonly violation: PeerViolation };

/** What `status.gateways` has room for. */
const MOST_GATEWAYS = 64;

/** Everything about a peer that decides whether it is let in, in the order in which a person would mend it. */
export function admission(view: MeshView, peer: MeshPeer, now: number): Verdicts<Admission> {
  const revoked = isHeldBack(peer, now) ?? isTooMany(view, peer, now);
  if (revoked !== undefined) return { violation: revoked };
  const gateways = admittingGateways(view, peer);
  if ('violation' in gateways) return gateways;
  const key = ownKey(view, peer);
  if ('violation' in key) return key;
  const presharedKey = ownPresharedKey(view, peer, gateways.value.gateways);
  if ('violation' in presharedKey) return presharedKey;
  const next = ownNextKey(view, peer);
  const addresses = ownAddresses(view, peer, reach(view, peer, gateways.value.gateways));
  if ('violation' in addresses) return addresses;
  return {
    value: {
      publicKey: key.value,
      ...('violation' in next ? { refusedKey: next.violation } : given(next.value)),
      ...(presharedKey.value === undefined ? {} : { presharedKey: presharedKey.value }),
      addresses: addresses.value,
      ...gateways.value,
    },
  };
}

function given(nextPublicKey: PublicKey | undefined): Pick<Admission, 'nextPublicKey'> {
  return nextPublicKey === undefined ? {} : { nextPublicKey };
}

function isHeldBack(peer: MeshPeer, now: number): PeerViolation | undefined {
  if (peer.spec.suspended)
    return { reason: 'Suspended', message: 'spec.suspended is true; set it to false to let this device in again.' };
  const expiry = expiryOf(peer);
  if (expiry > now) return undefined;
  if (expiry === Number.NEGATIVE_INFINITY) {
    return {
      reason: 'Expired',
      message: `spec.expiresAt (${peer.spec.expiresAt}) is no time that can be read, so nobody is let in; write it in RFC 3339, such as 2030-01-31T18:00:00Z.`,
    };
  }
  return {
    reason: 'Expired',
    message: `spec.expiresAt (${peer.spec.expiresAt}) has passed; set a later time, or delete this MeshPeer if the device is not coming back.`,
  };
}

function isTooMany({ ownerQuota }: MeshView, peer: MeshPeer, now: number): PeerViolation | undefined {
  if (ownerQuota.isSet && peer.spec.owner === undefined)
    return {
      reason: 'OwnerQuota',
      message: `spec.owner is missing, and the devices of each owner are counted here (quotas.peersPerOwner in the chart's values); set it to the user whose device this is.`,
    };
  const ahead = ownerQuota.ahead(peer, now);
  if (ahead === undefined) return undefined;
  return {
    reason: 'OwnerQuota',
    message: `spec.owner ${peer.spec.owner} has ${ahead.length} older MeshPeers (${some(ahead.map(({ metadata }) => keyOf(metadata)))}), and one owner may have ${ownerQuota.most}; delete one that is no longer used, or ask a platform engineer to raise quotas.peersPerOwner in the chart's values.`,
  };
}

type Admitting = Pick<Admission, 'gateways' | 'refused'>;

function admittingGateways(view: MeshView, peer: MeshPeer): Verdicts<Admitting> {
  return peer.spec.gateways === undefined
    ? everyAdmittingGateway(view, peer)
    : namedGateways(view, peer, peer.spec.gateways);
}

function everyAdmittingGateway(view: MeshView, peer: MeshPeer): Verdicts<Admitting> {
  const present = view.gateways.filter((gateway) => gateway.metadata.deletionTimestamp === undefined);
  const gateways = present.filter((gateway) => admitsNamespace(view, gateway, peer));
  if (gateways.length > 0) return { value: { gateways: gateways.slice(0, MOST_GATEWAYS), refused: [] } };
  if (present.length === 0) {
    return {
      violation: {
        reason: 'NoGateway',
        message: 'There is no MeshGateway in this cluster; create one (kubectl get meshgateways lists them).',
      },
    };
  }
  const names = some(present.map(({ metadata }) => metadata.name));
  return { violation: notAdmitted(peer, `None of the MeshGateways (${names}) admits`, 'their') };
}

function namedGateways(view: MeshView, peer: MeshPeer, names: readonly string[]): Verdicts<Admitting> {
  const gateways: MeshGateway[] = [];
  const refused: PeerViolation[] = [];
  for (const name of names) {
    const gateway = view.gateways.find(({ metadata }) => metadata.name === name);
    if (gateway === undefined || gateway.metadata.deletionTimestamp !== undefined)
      refused.push(gatewayNotFound(view, name, gateway));
    else if (admitsNamespace(view, gateway, peer)) gateways.push(gateway);
    else refused.push(notAdmitted(peer, `MeshGateway ${name} does not admit`, 'its'));
  }
  const [first] = refused;
  return gateways.length === 0 && first !== undefined ? { violation: first } : { value: { gateways, refused } };
}

function gatewayNotFound(view: MeshView, name: string, leaving: MeshGateway | undefined): PeerViolation {
  const names = view.gateways
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata.name);
  const known = names.length === 0 ? 'there is none in this cluster; create it' : `name one that does: ${some(names)}`;
  const what = leaving === undefined ? 'which does not exist' : 'which is being deleted';
  return { reason: 'GatewayNotFound', message: `spec.gateways names ${name}, ${what}; ${known}.` };
}

function notAdmitted(peer: MeshPeer, subject: string, whose: string): PeerViolation {
  return {
    reason: 'NamespaceNotAdmitted',
    message: `${subject} MeshPeers from namespace ${peer.metadata.namespace}; create this MeshPeer in an admitted namespace, or ask a platform engineer to extend ${whose} spec.allowedPeers.namespaces.`,
  };
}

function admitsNamespace(view: MeshView, gateway: MeshGateway, peer: MeshPeer): boolean {
  const { from, selector } = gateway.spec.allowedPeers.namespaces;
  if (from !== 'Selector') return from === 'All';
  const namespace = view.namespace(peer.metadata.namespace ?? '');
  return namespace !== undefined && selectorMatches(selector ?? {}, namespace.metadata.labels ?? {});
}

/**
 * Whether a peer may have an address: inside the pool; or it has it already and no gateway serves the pool, as when somebody has
 * chosen a pool that is refused. Else one wrong value would give every device a new address, and end its connections.
 */
function reach(view: MeshView, peer: MeshPeer, gateways: readonly MeshGateway[]): (address: IpAddress) => boolean {
  const held = gateways.some((gateway) => servesPool(view, gateway)) ? [] : addressesIn(peer.status?.addresses ?? []);
  return (address) => isInPool(view.pool, address) || held.includes(address);
}

function servesPool({ pool }: MeshView, { status }: MeshGateway): boolean {
  const isSame = status?.pool?.length === pool.length && pool.every((cidr, index) => status.pool?.[index] === cidr);
  return isSame && isTrue(status.conditions ?? [], 'Accepted');
}

/** One address per family of the pool: the one wished for, else the one held, else a free one. */
function ownAddresses(
  view: MeshView,
  peer: MeshPeer,
  isReachable: (address: IpAddress) => boolean,
): Verdicts<readonly IpAddress[]> {
  const outside = addressesIn(peer.spec.addresses ?? []).find((address) => !isReachable(address));
  if (outside !== undefined) return { violation: outsidePool(view, outside) };
  const addresses: IpAddress[] = [];
  for (const pool of view.pool) {
    const address = ownAddress(view, peer, { pool, isReachable });
    if ('violation' in address) return address;
    addresses.push(address.value);
  }
  return { value: addresses };
}

function ownAddress(
  view: MeshView,
  peer: MeshPeer,
  { pool, isReachable }: { readonly pool: Cidr; readonly isReachable: (address: IpAddress) => boolean },
): Verdicts<IpAddress> {
  const key = keyOf(peer.metadata);
  const inFamily = (texts: readonly string[] = []) =>
    addressesIn(texts).find((address) => addressFamily(address) === cidrFamily(pool));
  const wish = inFamily(peer.spec.addresses);
  if (wish !== undefined)
    return view.claims.isTakenFrom(key, wish) ? { violation: addressTaken(view, wish) } : { value: wish };
  const held = inFamily(peer.status?.addresses);
  if (held !== undefined && isReachable(held) && !view.claims.isTakenFrom(key, held)) return { value: held };
  const free = allocateAddress(pool, key, (address) => view.claims.isTakenFrom(key, address));
  return free === undefined ? { violation: poolExhausted(pool) } : { value: free };
}

function isInPool(pools: readonly Cidr[], address: IpAddress): boolean {
  return pools.some((pool) => cidrContains(pool, address) && isAllocatable(pool, addressValue(address)));
}

function outsidePool(view: MeshView, address: IpAddress): PeerViolation {
  return {
    reason: 'AddressOutsidePool',
    message: `spec.addresses wishes for ${address}, which is outside what peers may have of the mesh pool (${view.pool.join(', ')}, without its first 16 addresses and the broadcast address); wish for another, or leave spec.addresses out to be given one.`,
  };
}

function addressTaken(view: MeshView, address: IpAddress): PeerViolation {
  const holder = view.claims.winnerOf(address);
  const whose = holder === undefined ? 'another MeshPeer' : `MeshPeer ${keyOf(holder.metadata)}`;
  return {
    reason: 'AddressTaken',
    message: `spec.addresses wishes for ${address}, which ${whose} has; wish for another, or leave spec.addresses out to be given a free one.`,
  };
}

function poolExhausted(pool: Cidr): PeerViolation {
  return {
    reason: 'PoolExhausted',
    message: `Every address of the mesh pool ${pool} is taken; delete MeshPeers that are no longer used, or ask a platform engineer for a larger pool.cidrs in the chart's values.`,
  };
}

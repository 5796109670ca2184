import type { Names, NodePlan } from '../../src/dataplane/node-plan.ts';
import type { WantedDevice } from '../../src/dataplane/wireguard/device.ts';
import { NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import { type FirewallInput, firewall } from '../../src/mesh/firewall.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { type Cidr, cidrBase } from '../../src/net/cidr.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';

export const PLAN_NAMES: Names = { device: 'wg-default', other: 'wg-default_2', table: 'sallyport_default' };

/** What a test cares about in a plan; the rest is as usual. */
export interface NodePlanWishes {
  readonly publicKey?: PublicKey;
  readonly peers?: Readonly<Record<string, readonly string[]>>;
  /** Two keys of one device, both of which are in the interface. */
  readonly pair?: readonly [PublicKey, PublicKey] | undefined;
  readonly addresses?: readonly string[];
  readonly listenPort?: number;
  readonly mtu?: number;
  readonly dataplane?: NodePlan['device']['dataplane'];
  readonly routes?: readonly string[];
  readonly serviceCidrs?: readonly string[];
  readonly routedCidrs?: readonly string[];
  readonly keptFromInternet?: readonly string[] | undefined;
  readonly accessDefault?: FirewallInput['accessDefault'];
  readonly granted?: FirewallInput['granted'];
  readonly peerToPeer?: FirewallInput['peerToPeer'];
  readonly newConnectionsPerSecond?: number;
  /** Addresses of devices that may open no more connections; null where there is no limit. */
  readonly full?: readonly string[] | null;
  readonly audited?: FirewallInput['audited'];
  readonly proxyMode?: FirewallInput['proxyMode'];
  /** Another key beside it, the newer one, with the addresses of those who came by it. */
  readonly other?: { readonly publicKey: PublicKey; readonly listenPort: number; readonly moved: readonly string[] };
}

/** A public key, always the same one for a number. */
export function aPublicKey(number: number): PublicKey {
  return keyPairFrom(new Uint8Array(32).fill(number)).publicKey;
}

/** The plan of a node with both families in the pool, as the planner would make it. */
export function aNodePlan(wishes: NodePlanWishes = {}): NodePlan {
  const { device } = PLAN_NAMES;
  const { newConnectionsPerSecond = 500, audited = 'Denied' } = wishes;
  const addresses = cidrs(wishes.addresses ?? ['10.213.0.1/32', 'fd5a:213::1/128']);
  const listenPort = wishes.listenPort ?? 51840;
  const pair: readonly string[] = wishes.pair ?? [];
  const wanted = { ...Object.fromEntries(pair.map((key) => [key, []])), ...wishes.peers };
  const peers = Object.entries(wanted).map(([key, ips]) => {
    const publicKey = key as PublicKey;
    const otherKey = pair.includes(key) ? pair.find((other) => other !== key) : undefined;
    const paired = otherKey === undefined ? {} : { otherKey: otherKey as PublicKey };
    return [publicKey, { publicKey, allowedIPs: cidrs(ips), ...paired }] as const;
  });
  const own: WantedDevice = {
    name: device,
    dataplane: wishes.dataplane ?? 'Auto',
    listenPort,
    mtu: wishes.mtu ?? 1420,
    addresses,
    publicKey: wishes.publicKey ?? aPublicKey(99),
    peers: new Map(peers),
  };
  const second = secondOf(wishes, own);
  return {
    device: own,
    ...(second.other === undefined ? {} : { other: second.other }),
    ruleset: firewall({
      table: PLAN_NAMES.table,
      device,
      second: second.other?.name,
      gatewayAddresses: addresses.map(cidrBase),
      pool: cidrs(['10.213.0.0/16', 'fd5a:213::/64']),
      serviceCidrs: cidrs(wishes.serviceCidrs ?? ['10.96.0.0/12', 'fd5a:96::/112']),
      routedCidrs: cidrs(wishes.routedCidrs ?? []),
      keptFromInternet: wishes.keptFromInternet && cidrs(wishes.keptFromInternet),
      dnsServers: ['10.96.0.10', 'fd5a:96::a'] as IpAddress[],
      accessDefault: wishes.accessDefault ?? 'Allow',
      granted: wishes.granted ?? NOTHING_GRANTED,
      peerToPeer: wishes.peerToPeer ?? 'Deny',
      newConnectionsPerSecond,
      full: fullOf(wishes),
      audited,
      proxyMode: wishes.proxyMode ?? 'nftables',
      listenPorts: [listenPort, ...second.listenPorts],
      tellsMovedFlows: true,
    }),
    routes: [
      ...cidrs(wishes.routes ?? ['10.213.0.0/16', 'fd5a:213::/64']).map((destination) => ({ destination, device })),
      ...second.routes,
    ],
  };
}

function fullOf({ full = [] }: NodePlanWishes): readonly IpAddress[] | undefined {
  return full === null ? undefined : (full as readonly string[] as readonly IpAddress[]);
}

function secondOf({ other }: NodePlanWishes, own: WantedDevice) {
  if (other === undefined) return { listenPorts: [], routes: [] };
  const device = PLAN_NAMES.other;
  const { publicKey, listenPort, moved } = other;
  const routes = cidrs(moved).map((destination) => ({ destination, device }));
  return { other: { ...own, name: device, publicKey, listenPort }, listenPorts: [listenPort], routes };
}

function cidrs(texts: readonly string[]): readonly Cidr[] {
  return texts as readonly string[] as readonly Cidr[];
}

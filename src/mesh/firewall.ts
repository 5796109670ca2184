import type { ProxyMode } from '../dataplane/local-facts.ts';
import { type Chain, cidrElement, type NamedSet, type Rule, type Ruleset } from '../dataplane/nftables/ruleset.ts';
import { addressFamily, type Family, type IpAddress } from '../net/address.ts';
import { probeAddress } from '../net/allocate.ts';
import { type Cidr, cidrFamily, normalizeCidrs } from '../net/cidr.ts';
import type { Granted } from './access/access.ts';
import type { Layer4 } from './access/resolve.ts';
import { grantSet, grantSets, rangeSet } from './access/sets.ts';
import { arrivalChain, arrivalSets } from './arrivals.ts';
import { toCarried } from './audit/carried.ts';
import { type AuditedConnections, admission, auditChains, auditSets, refusal } from './audit/sets.ts';
import { CONFIGURATION_PORT } from './client-configuration.ts';
import { FLOOD, flowLimit, flowLimitSets } from './flow-limit.ts';
import { heldLimit, TOO_MANY } from './held-limit.ts';
import { internet } from './internet.ts';
import { movedFlow, movedFlowChains, movedFlowSets } from './takeover/moved-flows.ts';

/** What the firewall of a gateway is made from. */
export interface FirewallInput {
  readonly table: string;
  readonly device: string;
  /** The interface of the gateway's other key, where there is one: what holds for one holds for both. */
  readonly second?: string | undefined;
  /** The gateway's own mesh addresses: all of the node that a peer may ping, and ask for its configuration. */
  readonly gatewayAddresses: readonly IpAddress[];
  readonly pool: readonly Cidr[];
  readonly serviceCidrs: readonly Cidr[];
  /** What else peers may route through the gateway. */
  readonly routedCidrs: readonly Cidr[];
  /** Everything but these prefixes is reached as well, as the internet; unless it is given, nothing is. */
  readonly keptFromInternet?: readonly Cidr[] | undefined;
  /** The cluster's DNS Services, which stay reachable when access is denied by default. */
  readonly dnsServers: readonly IpAddress[];
  readonly accessDefault: 'Allow' | 'Deny';
  /** What single devices may reach when access is denied by default. */
  readonly granted: Granted;
  readonly peerToPeer: 'Allow' | 'Deny';
  /** Of each device; 0 for no limit. */
  readonly newConnectionsPerSecond: number;
  /** Addresses of devices that have as many connections open as they may; undefined where there is no limit. */
  readonly full?: Iterable<IpAddress> | undefined;
  /** Which connections of devices are noted for the audit log. */
  readonly audited: AuditedConnections;
  readonly proxyMode: ProxyMode;
  /** Of the interfaces. */
  readonly listenPorts: readonly number[];
  /** Whether the agent is told of flows to the interfaces that have begun without a handshake. */
  readonly tellsMovedFlows: boolean;
}

/**
 * Conntrack takes up a TCP connection that it does not know in the middle, and the proxy may bring it to the very socket it had
 * before: without this rule the connections of a revoked device would go on as soon as it is let in again.
 */
const ENDED: Rule = {
  text: 'tcp flags & (fin | syn | rst | ack) != syn ct state new goto refuse',
  comment: 'what was forgotten has ended',
};

/** How a rule names a family. */
interface Words {
  readonly ip: 'ip' | 'ip6';
  readonly n: Family;
}

/** The table that stands between a gateway's mesh and the node and cluster behind it (./README.md has the packet's way). */
export function firewall(input: FirewallInput): Ruleset {
  return { table: input.table, sets: sets(input), chains: [...verdictChains(input), ...hookChains(input)] };
}

/** Each family has sets of its own; an empty one costs nothing and keeps the rules the same on every node. */
function sets(input: FirewallInput): readonly NamedSet[] {
  return [
    ...prefixes('pool', input.pool),
    ...prefixes('services', input.serviceCidrs),
    ...prefixes('routed', input.routedCidrs),
    ...addresses('gateway', input.gatewayAddresses),
    ...bothProtocols((l4) => granted(l4, input.dnsServers)).flat(),
    ...(input.keptFromInternet === undefined ? [] : prefixes('kept', input.keptFromInternet)),
    ...(input.accessDefault === 'Deny'
      ? [...addresses('probe', input.pool.map(probeAddress)), ...grantSets(input.granted)]
      : []),
    ...(input.second === undefined ? [] : arrivalSets()),
    ...(input.newConnectionsPerSecond === 0 ? [] : flowLimitSets()),
    ...(input.full === undefined ? [] : addresses('full', [...input.full])),
    ...auditSets(input.audited),
    ...(input.tellsMovedFlows ? movedFlowSets() : []),
  ];
}

function verdictChains(input: FirewallInput): readonly Chain[] {
  const refuse = refusal(input.audited);
  return [
    chain('refuse', [
      { text: 'counter', comment: 'packets refused' },
      { text: 'meta l4proto tcp reject with tcp reset', comment: 'some stacks wait on ICMP' },
      { text: 'reject with icmpx admin-prohibited' },
    ]),
    ...auditChains(input.audited, ours(input)),
    ...(input.tellsMovedFlows ? movedFlowChains() : []),
    ...(input.newConnectionsPerSecond === 0 ? [] : [FLOOD]),
    ...(input.full === undefined ? [] : [TOO_MANY]),
    chain('access', access(input)),
    chain('from_mesh', [
      ...sent(input),
      { text: 'ct state established,related accept' },
      ENDED,
      ...paced(input),
      ...held(input),
      peerToPeer(input),
      { text: 'jump access' },
      ...bothFamilies(({ ip, n }) => ({
        text: `${ip} daddr @services${n} ${refuse}`,
        comment: 'leak guard: no proxy translated it',
      })),
      ...routed(input),
      ...(input.keptFromInternet === undefined ? [] : internet(refuse)),
      { text: refuse },
    ]),
    chain('into_mesh', [
      { text: 'ct state established,related accept' },
      { text: 'goto refuse', comment: 'nothing in the cluster opens connections into the mesh' },
    ]),
    chain('to_node', [
      ...sent(input),
      { text: 'ct state established,related accept' },
      ENDED,
      ...paced(input),
      { text: 'ip daddr @gateway4 icmp type echo-request accept' },
      { text: 'ip6 daddr @gateway6 icmpv6 type echo-request accept' },
      ...bothFamilies(({ ip, n }) => ({
        text: `${ip} daddr @gateway${n} tcp dport ${CONFIGURATION_PORT} accept`,
        comment: 'a device asks for its own configuration',
      })),
      // After what the gateway itself answers: a device that may open no more still hears of its own configuration.
      ...held(input),
      { text: 'jump access', comment: 'Services whose endpoint is a host-network pod of this node' },
      ...localServices(input),
      { text: refuse, comment: 'host guard' },
    ]),
  ];
}

/** What a device sends on a connection is counted where its beginning is noted. */
function sent({ audited }: FirewallInput): readonly Rule[] {
  return audited === 'All' ? [{ text: toCarried('original'), comment: 'for the audit log' }] : [];
}

/** What it is sent passes here, also what a program of the node answers: on output, that of local_answers still looks as if it stayed here. */
function answersChain(into: string): Chain {
  return hook('answers', 'filter', 'postrouting', 'filter - 5', [
    { text: `${into} ${toCarried('reply')}`, comment: 'for the audit log' },
  ]);
}

function paced({ newConnectionsPerSecond }: FirewallInput): readonly Rule[] {
  return newConnectionsPerSecond === 0 ? [] : flowLimit(newConnectionsPerSecond);
}

function held({ full }: FirewallInput): readonly Rule[] {
  return full === undefined ? [] : heldLimit();
}

function hookChains(input: FirewallInput): readonly Chain[] {
  const from = `iifname ${ours(input)}`;
  const into = `oifname ${ours(input)}`;
  const elsewhere = `oifname != ${ours(input)}`;
  const clamp = 'tcp flags syn tcp option maxseg size set rt mtu';
  return [
    ...(input.second === undefined ? [] : [arrivalChain([input.device, input.second])]),
    hook('on_forward', 'filter', 'forward', 'filter - 5', [
      { text: `${from} jump from_mesh` },
      { text: `${into} jump into_mesh` },
    ]),
    hook('on_input', 'filter', 'input', 'filter - 5', [
      { text: `${from} jump to_node` },
      ...(input.tellsMovedFlows ? [movedFlow(dialledPorts(input))] : []),
    ]),
    hook('on_output', 'filter', 'output', 'filter - 5', [
      { text: `${into} udp sport ${anyOf(input.listenPorts)} drop`, comment: 'a tunnel must not run inside itself' },
      { text: `${into} icmp type redirect drop`, comment: 'there is no shorter way in a mesh' },
      { text: `${into} icmpv6 type nd-redirect drop`, comment: 'there is no shorter way in a mesh' },
    ]),
    hook('clamp_forward', 'filter', 'forward', 'mangle', [{ text: `${from} ${clamp}` }, { text: `${into} ${clamp}` }]),
    hook('clamp_output', 'filter', 'output', 'mangle', [
      ...bothFamilies(({ ip, n }) => ({ text: `${ip} saddr @pool${n} ${clamp}`, comment: 'what ipvs forwards' })),
    ]),
    // Most programs answer a datagram from whatever address the kernel takes, towards the mesh that of the gateway, which was not
    // asked. Shown the node as the one who asks, they answer the node. What ipvs sends here bears no status of conntrack's NAT. A DNS
    // cache that has the Service's address itself answers from it, and still sees who asks. 95 is srcnat - 5; nft knows the name in postrouting alone.
    hook(
      'local_answers',
      'nat',
      'input',
      '95',
      bothFamilies(({ ip, n }) => ({
        text: `${from} meta l4proto udp ct original ${ip} daddr @services${n} ${ip} daddr != @services${n} snat ${ip} to ${ip} daddr`,
      })),
    ),
    ...(input.audited === 'All' ? [answersChain(into)] : []),
    hook('on_postrouting', 'nat', 'postrouting', 'srcnat - 5', [
      { text: `${from} ${elsewhere} masquerade` },
      ...bothFamilies(({ ip, n }) => ({
        text: `${ip} saddr @pool${n} ${elsewhere} fib saddr type != local masquerade`,
        comment: 'what ipvs forwards has no input interface',
      })),
    ]),
  ];
}

/**
 * At which ports datagrams to WireGuard come to input; undefined where it may be any. ipvs translates there, after our rules (at priority 99:
 * net/netfilter/ipvs/ip_vs_core.c), so what it takes still bears the port of a Service, or one of those that are open on all nodes.
 */
function dialledPorts({ proxyMode, listenPorts }: FirewallInput): string | undefined {
  return proxyMode === 'ipvs' ? undefined : anyOf(listenPorts);
}

/** How rules name the interfaces of the gateway. */
function ours({ device, second }: Pick<FirewallInput, 'device' | 'second'>): string {
  return anyOf([device, ...(second === undefined ? [] : [second])].map((name) => `"${name}"`));
}

/** In one order, so that the same interfaces in other roles are the same rules. */
function anyOf(values: readonly (string | number)[]): string {
  return values.length === 1 ? String(values[0]) : `{ ${[...values].sort().join(', ')} }`;
}

/**
 * What a peer may reach, by what it dialled before any proxy translated it: rules speak of Services, not of pods. One rule
 * per protocol, because nft 1.0.6 does not know what type a conntrack port has under a choice of protocols.
 */
function access({ accessDefault, audited }: FirewallInput): readonly Rule[] {
  const accept = admission(audited);
  const all = ({ ip, n }: Words) => ({ text: `ct original ${ip} daddr @services${n} ct status dnat ${accept}` });
  const granted = bothFamilies(({ ip, n }) =>
    bothProtocols((l4) => {
      const dialled = `ct original ${ip} daddr . ct original proto-dst`;
      return [
        { text: `meta l4proto ${l4} ${dialled} @granted_${l4}${n} ct status dnat ${accept}` },
        { text: `meta l4proto ${l4} ${ip} saddr . ${dialled} @${grantSet(l4, n)} ct status dnat ${accept}` },
      ];
    }).flat(),
  );
  return accessDefault === 'Allow' ? bothFamilies(all) : [...granted.flat(), ...probed()];
}

/**
 * The node's own probe proves that Services are reachable, so it must reach one whatever peers may. No peer can borrow its
 * address, because WireGuard takes packets from it by the probe's key alone.
 */
function probed(): readonly Rule[] {
  return bothFamilies(({ ip, n }) => [
    { text: `${ip} saddr @probe${n} ct original ${ip} daddr @services${n} ct status dnat accept`, comment: 'probe' },
    { text: `${ip} saddr @probe${n} ${ip} daddr @services${n} fib daddr type local accept`, comment: 'probe, ipvs' },
  ]).flat();
}

function routed({ accessDefault, audited }: FirewallInput): readonly Rule[] {
  const accept = admission(audited);
  if (accessDefault === 'Allow')
    return bothFamilies(({ ip, n }) => ({ text: `ct original ${ip} daddr @routed${n} ${accept}` }));
  return bothFamilies(({ ip, n }) => {
    const dialled = `${ip} saddr . ct original ${ip} daddr`;
    const ports = bothProtocols((l4) => ({
      text: `meta l4proto ${l4} ${dialled} . ct original proto-dst @${rangeSet(n, l4)} ${accept}`,
    }));
    return [{ text: `${dialled} @${rangeSet(n)} ${accept}` }, ...ports];
  }).flat();
}

function peerToPeer(input: FirewallInput): Rule {
  const { peerToPeer, audited } = input;
  return {
    text: `oifname ${ours(input)} ${peerToPeer === 'Allow' ? admission(audited) : refusal(audited)}`,
    comment: 'peer to peer',
  };
}

/**
 * Services whose address belongs to the node itself. ipvs gives it every ClusterIP and refuses the ports that no Service
 * has; elsewhere a DNS cache on the node may do so, and behind its address every other port of the node would be open.
 */
function localServices({ proxyMode, accessDefault, audited }: FirewallInput): readonly Rule[] {
  const accept = admission(audited);
  if (proxyMode === 'ipvs' && accessDefault === 'Allow')
    return bothFamilies(({ ip, n }) => ({
      text: `${ip} daddr @services${n} fib daddr type local ${accept}`,
      comment: 'ipvs',
    }));
  const comment = 'Services on the node itself';
  return bothFamilies(({ ip, n }) =>
    bothProtocols((l4) => {
      const dialled = `${ip} daddr . ${l4} dport`;
      const all = { text: `${dialled} @granted_${l4}${n} fib daddr type local ${accept}`, comment };
      const own = { text: `${ip} saddr . ${dialled} @${grantSet(l4, n)} fib daddr type local ${accept}`, comment };
      return accessDefault === 'Deny' ? [all, own] : [all];
    }).flat(),
  ).flat();
}

function prefixes(name: string, cidrs: readonly Cidr[]): readonly NamedSet[] {
  return eachFamily((family) => ({
    ...namedSet(name, family),
    interval: true,
    elements: normalizeCidrs(cidrs.filter((cidr) => cidrFamily(cidr) === family)).map(cidrElement),
  }));
}

function addresses(name: string, all: readonly IpAddress[]): readonly NamedSet[] {
  return eachFamily((family) => ({
    ...namedSet(name, family),
    interval: false,
    elements: ofFamily(all, family),
  }));
}

/** Which port of which Service every peer may reach whatever the default: the cluster's DNS. */
function granted(l4: Layer4, dnsServers: readonly IpAddress[]): readonly NamedSet[] {
  return eachFamily((family) => ({
    name: `granted_${l4}${family}`,
    type: [addressType(family), 'inet_service'],
    interval: false,
    elements: ofFamily(dnsServers, family).map((address) => `${address} . 53`),
  }));
}

function ofFamily(all: readonly IpAddress[], family: Family): readonly IpAddress[] {
  return [...new Set(all.filter((address) => addressFamily(address) === family))].sort();
}

function namedSet(name: string, family: Family): Pick<NamedSet, 'name' | 'type'> {
  return { name: `${name}${family}`, type: [addressType(family)] };
}

function addressType(family: Family): 'ipv4_addr' | 'ipv6_addr' {
  return family === 4 ? 'ipv4_addr' : 'ipv6_addr';
}

function eachFamily<T>(make: (family: Family) => T): readonly T[] {
  return [make(4), make(6)];
}

function bothFamilies<T>(make: (words: Words) => T): readonly T[] {
  return eachFamily((n) => make({ ip: n === 4 ? 'ip' : 'ip6', n }));
}

function bothProtocols<T>(make: (l4: Layer4) => T): readonly T[] {
  return [make('tcp'), make('udp')];
}

function chain(name: string, rules: readonly Rule[]): Chain {
  return { name, rules };
}

function hook(
  name: string,
  type: 'filter' | 'nat',
  at: 'input' | 'forward' | 'output' | 'postrouting',
  priority: string,
  rules: readonly Rule[],
): Chain {
  return { name, hook: { type, hook: at, priority }, rules };
}

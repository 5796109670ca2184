import { addressBits, addressFamily, type Family } from '../../net/address.ts';
import { type Cidr, cidrBase, cidrFamily, cidrLength, normalizeCidrs } from '../../net/cidr.ts';
import { FULL_NUMBER, FULL_PROTOCOL, type FullTunnel } from './full-tunnel.ts';

/*
 * A machine's ways under a full tunnel (ip-rule(8)), in the order in which the kernel asks:
 *
 *   5350  the tunnel's own packets, by their mark           → main
 *   5351  UDP to and from the endpoints, and questions for  → main
 *         their names: of races, which have no mark
 *   5352  what the cluster advertises                       → 13648: the tunnel; where it is gone, unreachable
 *   5353  private addresses for which main has a route of   → main
 *         its own (the LAN, other tunnels)
 *   5354  everything else                                   → 13648: the tunnel; where it is gone or carries no such
 *                                                             family, unreachable, never main
 *
 * Nothing here names a router or an interface of the machine, so it stays right when DHCP gives other ones.
 */
const PRIORITY = { own: 5350, outside: 5351, cluster: 5352, local: 5353, rest: 5354 } as const;

/** Addresses that main may know better. Only private ones: whoever runs a LAN could call any public range his own. */
const LOCAL: Readonly<Record<Family, readonly string[]>> = {
  4: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  6: ['fc00::/7', 'fe80::/10'],
};

/** Behind every other route, in the way that the kernel itself gives its last ones. */
const LAST = 4278198272;

/** A rule or a route of ours, as the words that `ip -FAMILY rule add` or `route add` takes. */
export interface Way {
  readonly family: Family;
  readonly kind: 'rule' | 'route';
  readonly text: string;
}

/** The rules and routes of a full tunnel, in the families that the machine has. In this order they are made, and in reverse removed. */
export function waysOf(full: FullTunnel, families: readonly Family[]): readonly Way[] {
  return families.flatMap((family) => [
    ...routesOf(full, family).map((text) => ({ family, kind: 'route', text }) as const),
    ...rulesOf(full, family).map((text) => ({ family, kind: 'rule', text }) as const),
  ]);
}

/** Those of ours among what `ip -json rule show` and `ip -json route show table 13648` list. @throws {SyntaxError} when that is no JSON */
export function waysIn(family: Family, listed: { readonly rules: string; readonly routes: string }): readonly Way[] {
  const ours = (text: string) => entriesIn(text).filter(({ protocol }) => String(protocol) === String(FULL_PROTOCOL));
  return [
    ...ours(listed.routes).map((entry) => ({ family, kind: 'route', text: routeText(entry) }) as const),
    ...ours(listed.rules).map((entry) => ({ family, kind: 'rule', text: ruleText(entry, family) }) as const),
  ];
}

/** The commands from what is there to what is wanted. What comes is added before what goes is removed, so that nothing slips through between. */
export function wayCommands(wanted: readonly Way[], there: readonly Way[]): readonly (readonly string[])[] {
  const has = (ways: readonly Way[], way: Way) => ways.some((other) => sameWay(way, other));
  return [
    ...wanted.filter((way) => !has(there, way)).map((way) => command('add', way)),
    ...[...there].reverse().flatMap((way) => (has(wanted, way) ? [] : [command('delete', way)])),
  ];
}

function sameWay(one: Way, other: Way): boolean {
  return one.family === other.family && one.kind === other.kind && one.text === other.text;
}

function command(verb: 'add' | 'delete', { family, kind, text }: Way): readonly string[] {
  return ['ip', `-${family}`, kind, verb, ...text.split(' '), 'protocol', String(FULL_PROTOCOL)];
}

function routesOf({ device, isServed, internet, ranges }: FullTunnel, family: Family): readonly string[] {
  if (!isServed) return [unreachableText(LAST)];
  const isCarried = internet.some((cidr) => cidrFamily(cidr) === family);
  return [
    unreachableText(LAST),
    ...rangesOf(ranges, family).map((range) => deviceText(range, device)),
    ...(isCarried ? [deviceText('default', device)] : []),
  ];
}

/** As `ip` lists them: a host without its length. */
function rangesOf(ranges: readonly Cidr[], family: Family): readonly string[] {
  return normalizeCidrs(ranges)
    .filter((cidr) => cidrFamily(cidr) === family)
    .map((cidr) => (cidrLength(cidr) === addressBits(family) ? cidrBase(cidr) : cidr));
}

function rulesOf({ outside, questions, ranges }: FullTunnel, family: Family): readonly string[] {
  const own = outside.filter(({ address }) => addressFamily(address) === family);
  const asked = questions.filter(({ server }) => addressFamily(server) === family);
  return [
    `priority ${PRIORITY.own} fwmark 0x${FULL_NUMBER.toString(16)} lookup main`,
    // The second for the kernel's check of where a packet comes from (rp_filter), which turns addresses round but not ports.
    ...own.flatMap(({ address, port }) => [
      `priority ${PRIORITY.outside} to ${address} ipproto udp dport ${port} lookup main`,
      `priority ${PRIORITY.outside} to ${address} ipproto udp sport ${port} lookup main`,
    ]),
    ...asked.flatMap(({ server, port }) => [
      `priority ${PRIORITY.outside} to ${server} ipproto udp sport ${port} dport 53 lookup main`,
      `priority ${PRIORITY.outside} to ${server} ipproto udp sport 53 dport ${port} lookup main`,
    ]),
    ...rangesOf(ranges, family).map((range) => `priority ${PRIORITY.cluster} to ${range} lookup ${FULL_NUMBER}`),
    ...LOCAL[family].map((cidr) => `priority ${PRIORITY.local} to ${cidr} lookup main suppress_prefixlength 0`),
    `priority ${PRIORITY.rest} lookup ${FULL_NUMBER}`,
  ];
}

function unreachableText(metric: unknown): string {
  return `unreachable default metric ${metric} table ${FULL_NUMBER}`;
}

function deviceText(destination: unknown, device: unknown): string {
  return `${destination} dev ${device} table ${FULL_NUMBER}`;
}

type Entry = Readonly<Record<string, unknown>>;

function routeText({ type, dst, dev, metric }: Entry): string {
  return type === 'unreachable' ? unreachableText(metric) : deviceText(dst, dev);
}

/** In the order of words that `rulesOf` has. */
function ruleText(entry: Entry, family: Family): string {
  const { priority, fwmark, dst, dstlen, ipproto, sport, dport, table, suppress_prefixlen: suppressed } = entry;
  const length = dstlen === undefined || dstlen === (family === 4 ? 32 : 128) ? '' : `/${dstlen}`;
  return [
    `priority ${priority}`,
    ...(fwmark === undefined ? [] : [`fwmark ${fwmark}`]),
    ...(dst === undefined ? [] : [`to ${dst}${length}`]),
    ...(ipproto === undefined ? [] : [`ipproto ${ipproto}`]),
    ...(sport === undefined ? [] : [`sport ${sport}`]),
    ...(dport === undefined ? [] : [`dport ${dport}`]),
    `lookup ${table}`,
    ...(suppressed === undefined ? [] : [`suppress_prefixlength ${suppressed}`]),
  ].join(' ');
}

/** Where there is no such table, `ip` prints nothing. */
function entriesIn(text: string): readonly Entry[] {
  const value: unknown = text.trim() === '' ? [] : JSON.parse(text);
  if (!Array.isArray(value)) throw new SyntaxError('ip -json printed no array');
  return value.filter((entry): entry is Entry => typeof entry === 'object' && entry !== null);
}

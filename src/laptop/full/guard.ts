import { addressFamily, type Family, type IpAddress } from '../../net/address.ts';
import { FULL_NUMBER, type FullTunnel } from './full-tunnel.ts';

const PREFIX = 'sallyport-full-';
/** Networks of containers and virtual machines on this machine, as their programs name them: what goes there has not left yet. */
const HERE = ['docker', 'br-', 'podman', 'cni', 'virbr', 'lxcbr', 'lxdbr', 'incusbr', 'vboxnet', 'vmnet'];
const PRESENT = 'is_';

/** The nftables table of the inet family that stands guard over a full tunnel. No gateway's table has a hyphen in its name. */
export function guardTable(device: string): string {
  return `${PREFIX}${device}`;
}

/** The devices whose guards are among the tables that `nft list tables` lists. */
export function guardedDevices(listed: string): readonly string[] {
  return listed.split('\n').flatMap((line) => {
    const table = /^table inet (\S+)/.exec(line.trim())?.[1];
    return table?.startsWith(PREFIX) === true ? [table.slice(PREFIX.length)] : [];
  });
}

/** An empty chain of the table, by which it is known as the one that this text makes. */
export function guardMark(full: FullTunnel): string {
  return `${PRESENT}${hash(body(full).join('\n'))}`;
}

/**
 * The nft script that puts the guard in place, all of it at once, over a former one. It refuses questions for names that would leave the
 * machine beside the tunnel (DNS, DNS over TLS and QUIC, LLMNR; port 5353 stays with the LAN), of this machine and of what runs on it, but for
 * those of the supervisor for the names of endpoints. And it drops packets for the device's mesh address that come in beside the tunnel, by
 * which somebody on the LAN could find out what connections there are (CVE-2019-14899).
 */
export function guardScript(full: FullTunnel): string {
  const table = guardTable(full.device);
  return [
    `add table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    `  chain ${guardMark(full)} { }`,
    ...body(full).map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

function body({ device, addresses, outside, questions }: FullTunnel): readonly string[] {
  const pairs = (all: readonly (readonly [IpAddress, number])[], family: Family) =>
    sorted(
      all.filter(([address]) => addressFamily(address) === family).map(([address, port]) => `${address} . ${port}`),
    );
  const own = (family: Family) => sorted(addresses.filter((address) => addressFamily(address) === family));
  const endpoints = outside.map(({ address, port }) => [address, port] as const);
  const asked = questions.map(({ server, port }) => [server, port] as const);
  return [
    ...([4, 6] as const).flatMap((n) => [
      set(`endpoints${n}`, `ipv${n}_addr . inet_service`, pairs(endpoints, n)),
      set(`questions${n}`, `ipv${n}_addr . inet_service`, pairs(asked, n)),
      set(`own${n}`, `ipv${n}_addr`, own(n)),
    ]),
    ...chain('refuse', [
      'counter comment "questions that would have left beside the tunnel"',
      'meta l4proto tcp reject with tcp reset',
      'reject with icmpx type admin-prohibited',
    ]),
    ...chain('leaving', [
      'oifname "lo" accept',
      'oifname "sp-*" accept comment "this and other tunnels"',
      ...HERE.map((name) => `oifname "${name}*" accept comment "on this machine"`),
      `meta mark 0x${FULL_NUMBER.toString(16)} accept comment "the tunnel itself"`,
      ...([4, 6] as const).flatMap((n) => {
        const ip = n === 4 ? 'ip' : 'ip6';
        return [
          `meta skuid 0 ${ip} daddr . udp dport @endpoints${n} accept comment "races"`,
          `meta skuid 0 udp dport 53 ${ip} daddr . udp sport @questions${n} accept comment "names of endpoints"`,
        ];
      }),
      'meta l4proto { tcp, udp } th dport { 53, 853, 5355 } goto refuse',
    ]),
    ...chain('on_output', ['type filter hook output priority filter - 5; policy accept;', 'jump leaving']),
    ...chain('on_forward', ['type filter hook forward priority filter - 5; policy accept;', 'jump leaving']),
    ...chain('on_prerouting', [
      'type filter hook prerouting priority raw; policy accept;',
      `iifname != "${device}" ip daddr @own4 fib saddr type != local drop`,
      `iifname != "${device}" ip6 daddr @own6 fib saddr type != local drop`,
    ]),
  ];
}

function chain(name: string, lines: readonly string[]): readonly string[] {
  return [`chain ${name} {`, ...lines.map((line) => `  ${line}`), '}'];
}

function set(name: string, type: string, elements: readonly string[]): string {
  const held = elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} }`;
  return `set ${name} { type ${type};${held} }`;
}

function sorted(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort();
}

/** FNV-1a (32 bit): tells our own texts apart, and promises nothing else. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return value.toString(36);
}

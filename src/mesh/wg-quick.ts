import { addressBits, addressFamily, type IpAddress, parseAddress } from '../net/address.ts';
import { type Cidr, parseCidr } from '../net/cidr.ts';
import { DNS_NAME_PATTERN, type Endpoint, endpointOf, parseEndpoint } from '../net/endpoint.ts';
import { type PublicKey, parsePresharedKey, parsePrivateKey, parsePublicKey } from '../net/key.ts';
import { type Parsed, parsed, refused } from '../net/parsed.ts';
import {
  type ClientConfiguration,
  type ClientGateway,
  CONFIGURATION_PORT,
  EVERYTHING,
} from './client-configuration.ts';
import {
  checked,
  listOf,
  number,
  optional,
  required,
  type Section,
  sectionsIn,
  UnreadableLine,
} from './wg-quick-sections.ts';

const OBJECT_NAME = '[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?';
const PEER = new RegExp(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/${OBJECT_NAME}$`);
const NAME = new RegExp(`^${OBJECT_NAME}$`);
const DOMAIN = new RegExp(`^${DNS_NAME_PATTERN}$`);
const GATEWAY_NOTE = 'MeshGateway ';
const FULL_NOTE = 'Full tunnel: ';
const DENIES_NOTE = 'Denies by default: ';
const ENDPOINTS_NOTE = 'Endpoints: ';
const GIVES_CONFIGURATION = ', which gives this device its current configuration at ';
const PRIVATE_KEY_LINE = 'PostUp = wg set %i private-key /etc/wireguard/%i.key';
const PRIVATE_KEY_NOTE =
  '# The private key is not in this file. Keep it in /etc/wireguard/INTERFACE.key, readable by root alone.';
const PRESHARED_KEY_NOTE =
  '# Nor is the preshared key. Keep it in /etc/wireguard/INTERFACE.psk, readable by root alone.';

/**
 * A complete wg-quick file (wg-quick(8)), but for the private key: PostUp reads it from `/etc/wireguard/INTERFACE.key` on the
 * device, and the preshared key of a device that has one from `/etc/wireguard/INTERFACE.psk`, so that this text may stand in a
 * status. What wg-quick has no words for stands in comments, which it skips. `parseWgQuick` reads all of it back.
 */
export function wgQuick(configuration: ClientConfiguration): string {
  return [
    ...interfaceLines(configuration),
    ...configuration.gateways.flatMap((gateway) => ['', ...gatewayLines(configuration, gateway)]),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/**
 * Reads what `wgQuick` writes: `parseWgQuick(wgQuick(x))` is x. A private key and preshared keys that somebody put in are taken and
 * forgotten, an Endpoint that somebody changed is the most preferred one, and comments of a later version are skipped. Anything
 * else is refused, PostUp lines above all, because wg-quick would run them as root. The problem names the line and quotes no value.
 */
export function parseWgQuick(text: string): Parsed<ClientConfiguration> {
  try {
    return parsed(configurationIn(sectionsIn(text)));
  } catch (error) {
    if (error instanceof UnreadableLine) return refused(error.message);
    throw error;
  }
}

/** Where a gateway at this mesh address gives each device its current configuration. */
export function configurationUrl(address: IpAddress): string {
  return `http://${endpointOf(address, CONFIGURATION_PORT)}/`;
}

function interfaceLines(configuration: ClientConfiguration): readonly string[] {
  const { peer, addresses, mtu, dns, hasPresharedKey, gateways } = configuration;
  return [
    `# ${peer}`,
    PRIVATE_KEY_NOTE,
    ...(hasPresharedKey ? [PRESHARED_KEY_NOTE] : []),
    '[Interface]',
    `Address = ${addresses.map((address) => `${address}/${addressBits(addressFamily(address))}`).join(', ')}`,
    ...(mtu === undefined ? [] : [`MTU = ${mtu}`]),
    // Search domains make `hello.demo` work as in a pod; the resolvers come first, as wg-quick wants it.
    ...(dns === undefined ? [] : [`DNS = ${[...dns.servers, `svc.${dns.domain}`, dns.domain].join(', ')}`]),
    // Before the private key, without which no handshake begins: the first one would fail for want of the other key.
    ...(hasPresharedKey ? gateways.map(presharedKeyLine) : []),
    PRIVATE_KEY_LINE,
  ];
}

function gatewayLines({ persistentKeepalive }: ClientConfiguration, gateway: ClientGateway): readonly string[] {
  const { name, publicKey, addresses, allowedIPs, internet, deniesByDefault, endpoints } = gateway;
  const urls = addresses.map(configurationUrl).join(' and ');
  return [
    `# MeshGateway ${name}${urls === '' ? '' : `${GIVES_CONFIGURATION}${urls}`}`,
    ...(internet.length === 0 ? [] : [`# ${FULL_NOTE}${internet.join(', ')}`]),
    ...(deniesByDefault ? [`# ${DENIES_NOTE}a device reaches cluster DNS, and what the owners of Services grant`] : []),
    ...(endpoints.length < 2 ? [] : [`# Endpoints: ${endpoints.join(', ')}`]),
    '[Peer]',
    `PublicKey = ${publicKey}`,
    `AllowedIPs = ${allowedIPs.join(', ')}`,
    `Endpoint = ${endpoints[0]}`,
    ...(persistentKeepalive === 0 ? [] : [`PersistentKeepalive = ${persistentKeepalive}`]),
  ];
}

function presharedKeyLine({ publicKey }: Pick<ClientGateway, 'publicKey'>): string {
  return `PostUp = wg set %i peer ${publicKey} preshared-key /etc/wireguard/%i.psk`;
}

function configurationIn(sections: readonly Section[]): ClientConfiguration {
  const [own, ...others] = sections;
  if (own?.kind !== 'Interface') throw new UnreadableLine(own?.line ?? 1, 'the first section must be [Interface]');
  const second = others.find(({ kind }) => kind === 'Interface');
  if (second !== undefined) throw new UnreadableLine(second.line, '[Interface] is there twice');
  if (others.length === 0) throw new UnreadableLine(own.line, 'no [Peer] follows [Interface]');
  const [title] = own.notes;
  if (title === undefined || !PEER.test(title.text))
    throw new UnreadableLine(title?.line ?? own.line, 'the first comment must name the MeshPeer as NAMESPACE/NAME');
  optional(own, 'PrivateKey', parsePrivateKey);
  const gateways = others.map(gatewayIn);
  refuseRepeated(others, gateways);
  return {
    peer: title.text,
    addresses: required(own, 'Address', ownAddresses),
    mtu: optional(own, 'MTU', number),
    dns: optional(own, 'DNS', dnsIn),
    hasPresharedKey: hasPresharedKey(own, others, gateways),
    persistentKeepalive: keepalive(others),
    gateways,
  };
}

function gatewayIn(section: Section): ClientGateway {
  const note = section.notes.find(({ text }) => text.startsWith(GATEWAY_NOTE));
  if (note === undefined)
    throw new UnreadableLine(section.line, 'no comment before [Peer] names its MeshGateway, as # MeshGateway NAME');
  const [name = '', urls] = note.text.slice(GATEWAY_NOTE.length).split(GIVES_CONFIGURATION.trimEnd());
  if (!NAME.test(name)) throw new UnreadableLine(note.line, 'this is not # MeshGateway NAME');
  const publicKey = required(section, 'PublicKey', parsePublicKey);
  optional(section, 'PresharedKey', parsePresharedKey);
  return {
    name,
    publicKey,
    addresses: urls === undefined ? [] : checked(note, addressesAt(urls.trim())),
    allowedIPs: required(section, 'AllowedIPs', listOf(parseCidr, 'prefixes, as 10.96.0.0/12, 10.213.0.1/32')),
    internet: internetIn(section),
    deniesByDefault: section.notes.some(({ text }) => text.startsWith(DENIES_NOTE)),
    endpoints: endpointsIn(section),
  };
}

function internetIn({ notes }: Section): readonly Cidr[] {
  const note = notes.find(({ text }) => text.startsWith(FULL_NOTE));
  if (note === undefined) return [];
  const listed = checked(note, listOf(parseCidr, `${EVERYTHING.join(', ')}`)(note.text.slice(FULL_NOTE.length).trim()));
  const isWhole = listed.every((cidr, at) => EVERYTHING.includes(cidr) && listed.indexOf(cidr) === at);
  if (!isWhole) throw new UnreadableLine(note.line, 'a full tunnel takes 0.0.0.0/0 or ::/0 or both');
  return listed;
}

function endpointsIn(section: Section): readonly Endpoint[] {
  const endpoint = required(section, 'Endpoint', parseWithPort);
  const note = section.notes.find(({ text }) => text.startsWith(ENDPOINTS_NOTE));
  if (note === undefined) return [endpoint];
  const listed = checked(
    note,
    listOf(parseWithPort, 'HOST:PORT, HOST:PORT')(note.text.slice(ENDPOINTS_NOTE.length).trim()),
  );
  return [endpoint, ...listed.filter((other) => other !== endpoint)];
}

function parseWithPort(text: string): Parsed<Endpoint> {
  const endpoint = parseEndpoint(text);
  return endpoint.ok ? endpoint : refused('this is not HOST:PORT');
}

function addressesAt(urls: string): Parsed<readonly IpAddress[]> {
  const addresses = urls.split(' and ').map((url) => {
    const address = parseAddress(/^http:\/\/\[?([^\]/]+?)\]?:\d+\/$/.exec(url)?.[1] ?? '');
    return address.ok && configurationUrl(address.value) === url ? address.value : undefined;
  });
  const known = addresses.filter((address) => address !== undefined);
  return known.length === addresses.length ? parsed(known) : refused('where the gateway is asked is not a known URL');
}

function ownAddresses(text: string): Parsed<readonly IpAddress[]> {
  const addresses = text.split(', ').map((entry) => {
    const [host = '', length] = entry.split('/');
    const address = parseAddress(host);
    return address.ok && length === String(addressBits(addressFamily(address.value))) ? address.value : undefined;
  });
  const known = addresses.filter((address) => address !== undefined);
  const isOnePerFamily = new Set(known.map(addressFamily)).size === addresses.length;
  return isOnePerFamily ? parsed(known) : refused('one address of a family with its whole length, as 10.213.0.20/32');
}

function dnsIn(text: string): Parsed<{ readonly servers: readonly IpAddress[]; readonly domain: string }> {
  const entries = text.split(', ');
  const [search, domain = ''] = entries.slice(-2);
  const servers = listOf(parseAddress, 'addresses')(entries.slice(0, -2).join(', '));
  return servers.ok && DOMAIN.test(domain) && search === `svc.${domain}`
    ? parsed({ servers: servers.value, domain })
    : refused('resolvers and then the two search domains, as 10.96.0.10, svc.cluster.local, cluster.local');
}

/** Keepalive is the device's, and so the same at each gateway. */
function keepalive(sections: readonly Section[]): number {
  const all = sections.map((section) => optional(section, 'PersistentKeepalive', number) ?? 0);
  const [first = 0] = all;
  const other = sections[all.findIndex((seconds) => seconds !== first)];
  if (other !== undefined)
    throw new UnreadableLine(other.line, 'PersistentKeepalive is not the same as in the first [Peer]');
  return first;
}

function hasPresharedKey(own: Section, sections: readonly Section[], gateways: readonly ClientGateway[]): boolean {
  const fromFiles = new Set<PublicKey>();
  for (const { line, text } of own.settings.get('PostUp') ?? []) {
    const gateway = gateways.find((one) => presharedKeyLine(one) === `PostUp = ${text}`);
    if (gateway !== undefined) fromFiles.add(gateway.publicKey);
    else if (`PostUp = ${text}` !== PRIVATE_KEY_LINE)
      throw new UnreadableLine(line, 'a PostUp that Sallyport did not write, and that would run as root');
  }
  const keyed = sections.map(
    ({ settings }, index) =>
      settings.has('PresharedKey') || fromFiles.has(gateways[index]?.publicKey ?? ('' as PublicKey)),
  );
  if (!keyed.includes(true)) return false;
  const without = sections[keyed.indexOf(false)];
  if (without !== undefined)
    throw new UnreadableLine(without.line, 'no preshared key for this [Peer], while another one has it');
  return true;
}

/** Whatever two gateways share, WireGuard gives to the later one alone. */
function refuseRepeated(sections: readonly Section[], gateways: readonly ClientGateway[]): void {
  const seen = new Set<string>();
  for (const [index, { name, publicKey, allowedIPs, internet }] of gateways.entries()) {
    // One that offers everything may have it already, where a full tunnel was asked for.
    for (const text of [name, publicKey, ...allowedIPs, ...internet.map((all) => `${all} offered`)]) {
      if (seen.has(text))
        throw new UnreadableLine(sections[index]?.line ?? 1, 'its name, key or a part of AllowedIPs is there twice');
      seen.add(text);
    }
  }
}

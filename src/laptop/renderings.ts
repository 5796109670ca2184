import { renderUnicodeCompact } from 'uqr';
import type { ClientConfiguration, ClientGateway } from '../mesh/client-configuration.ts';
import { wgQuick } from '../mesh/wg-quick.ts';
import { addressFamily, type IpAddress } from '../net/address.ts';
import { hostCidr } from '../net/cidr.ts';
import type { PresharedKey, PrivateKey } from '../net/key.ts';

/** The keys that a device's own files hold and no status does. */
export interface DeviceKeys {
  readonly privateKey: PrivateKey;
  readonly presharedKey?: PresharedKey | undefined;
}

/** A wg-quick file with the keys in it. */
export function keyedWgQuick(configuration: ClientConfiguration, keys: DeviceKeys): string {
  return withKeys(wgQuick(configuration), keys);
}

/** The text of a wg-quick file of ours with the keys in place of the lines that read them from files. */
export function withKeys(text: string, { privateKey, presharedKey }: DeviceKeys): string {
  const lines = text
    .split('\n')
    .filter((line) => !isPrivateKeyLine(line))
    .flatMap((line) => (line === '[Interface]' ? [line, `PrivateKey = ${privateKey}`] : [line]));
  if (presharedKey === undefined) return lines.join('\n');
  return lines
    .filter((line) => !/^PostUp = wg set %i peer \S+ preshared-key |^# Nor is the preshared key\./.test(line))
    .flatMap((line) => (line.startsWith('PublicKey = ') ? [line, `PresharedKey = ${presharedKey}`] : [line]))
    .join('\n');
}

/** A QR code for WireGuard's own app, in half blocks: without comments, which would make it larger than a terminal. */
export function qrCode(configuration: ClientConfiguration, keys: DeviceKeys): string {
  const text = keyedWgQuick(configuration, keys)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .join('\n');
  return renderUnicodeCompact(text);
}

/** A connection for NetworkManager (nm-settings-keyfile(5)), which asks the cluster for names of its domain alone unless the tunnel takes everything. */
export function networkManager(
  configuration: ClientConfiguration,
  keys: DeviceKeys,
  { name, device }: { readonly name: string; readonly device: string },
): string {
  const sections = [
    ['[connection]', `id=sallyport-${name}`, 'type=wireguard', `interface-name=${device}`, 'autoconnect=false'],
    [
      '[wireguard]',
      `private-key=${keys.privateKey}`,
      ...(configuration.mtu === undefined ? [] : [`mtu=${configuration.mtu}`]),
    ],
    ...configuration.gateways.map((gateway) => peerSection(configuration, gateway, keys)),
    ['[ipv4]', ...familyLines(configuration, 4)],
    ['[ipv6]', ...familyLines(configuration, 6)],
  ];
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function peerSection(
  { persistentKeepalive }: ClientConfiguration,
  { publicKey, endpoints, allowedIPs }: ClientGateway,
  { presharedKey }: DeviceKeys,
): readonly string[] {
  return [
    `[wireguard-peer.${publicKey}]`,
    `endpoint=${endpoints[0]}`,
    ...(presharedKey === undefined ? [] : [`preshared-key=${presharedKey}`, 'preshared-key-flags=0']),
    ...(persistentKeepalive === 0 ? [] : [`persistent-keepalive=${persistentKeepalive}`]),
    `allowed-ips=${allowedIPs.map((cidr) => `${cidr};`).join('')}`,
  ];
}

function familyLines(configuration: ClientConfiguration, family: 4 | 6): readonly string[] {
  const { addresses, dns } = configuration;
  const takesAll = configuration.gateways.some(({ allowedIPs }) => allowedIPs.some((cidr) => cidr.endsWith('/0')));
  const of = (all: readonly IpAddress[]) => all.filter((address) => addressFamily(address) === family);
  const own = of(addresses);
  if (own.length === 0) return ['method=disabled'];
  const servers = of(dns?.servers ?? []);
  return [
    'method=manual',
    ...own.map((address, at) => `address${at + 1}=${hostCidr(address)}`),
    ...(takesAll ? [] : ['never-default=true']),
    ...(dns === undefined || servers.length === 0
      ? []
      : [`dns=${servers.map((server) => `${server};`).join('')}`, ...searchLines(dns.domain, takesAll)]),
  ];
}

/** A negative priority: no other connection's servers are asked. */
function searchLines(domain: string, takesAll: boolean): readonly string[] {
  return takesAll
    ? [`dns-search=svc.${domain};${domain};~.;`, 'dns-priority=-50']
    : [`dns-search=svc.${domain};~${domain};`];
}

function isPrivateKeyLine(line: string): boolean {
  return line.startsWith('PostUp = wg set %i private-key') || line.startsWith('# The private key is not in this file');
}

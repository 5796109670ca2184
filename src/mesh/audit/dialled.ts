import type { Rule, SetFieldType } from '../../dataplane/nftables/ruleset.ts';
import { type Family, type IpAddress, parseAddress } from '../../net/address.ts';

/** What one device dialled: by this, and not by connections, elements of sets are told apart. */
export interface Dialled {
  readonly source: IpAddress;
  /** By IANA's keyword, such as `tcp`, `udp`, `icmp`; a number where it is rare. */
  readonly protocol: string;
  readonly destination: IpAddress;
  /** Of TCP and UDP. */
  readonly port?: number | undefined;
}

/** Whether a set is about what has ports, or about everything else. */
export type DialledKind = 'ports' | 'other';

/** nft knows names where the system has a list of them, which an image need not have. */
const PROTOCOLS: Readonly<Record<string, string>> = {
  '1': 'icmp',
  '6': 'tcp',
  '17': 'udp',
  '47': 'gre',
  '50': 'esp',
  '58': 'ipv6-icmp',
  '132': 'sctp',
};

/** Makes something for each kind of set, and for each family. */
export function eachDialled<T>(make: (family: Family, kind: DialledKind) => T): readonly T[] {
  return [make(4, 'ports'), make(4, 'other'), make(6, 'ports'), make(6, 'other')];
}

/** The fields of an element: device, protocol, what was dialled, and its port. */
export function dialledFields(family: Family, kind: DialledKind): readonly SetFieldType[] {
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const both = [address, 'inet_proto', address] as const;
  return kind === 'ports' ? [...both, 'inet_service'] : both;
}

/**
 * What `text` says for the element of a packet, `source` being how a rule names the device. A rule for each protocol: nft 1.0.6 knows
 * what a conntrack port is only where the protocol is one.
 */
export function dialledRules(
  source: (ip: 'ip' | 'ip6') => string,
  text: (family: Family, kind: DialledKind, element: string) => string,
): readonly Rule[] {
  return ([4, 6] as const).flatMap((family) => {
    const ip = family === 4 ? 'ip' : 'ip6';
    const dialled = `${source(ip)} . meta l4proto . ct original ${ip} daddr`;
    const ports = text(family, 'ports', `${dialled} . ct original proto-dst`);
    return [
      { text: `meta l4proto tcp ${ports}` },
      { text: `meta l4proto udp ${ports}` },
      { text: `meta l4proto != tcp meta l4proto != udp ${text(family, 'other', dialled)}` },
    ];
  });
}

/** What the fields of an element say; undefined where they say nothing. */
export function dialledIn([from = '', protocol = '', to = '', port]: readonly string[]): Dialled | undefined {
  const [source, destination] = [parseAddress(from), parseAddress(to)];
  if (!source.ok || !destination.ok) return undefined;
  return {
    source: source.value,
    protocol: PROTOCOLS[protocol] ?? protocol,
    destination: destination.value,
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}

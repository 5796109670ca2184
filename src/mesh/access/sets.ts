import { cidrElement, type NamedSet, type SetFieldType } from '../../dataplane/nftables/ruleset.ts';
import { addressFamily, type Family } from '../../net/address.ts';
import { type Cidr, normalizeCidrs } from '../../net/cidr.ts';
import type { Granted, RangeGrant } from './access.ts';
import type { Layer4 } from './resolve.ts';

/** The set of what single devices may reach by this protocol: elements `device . cluster IP . port`. */
export function grantSet(l4: Layer4, family: Family): string {
  return `by_peer_${l4}${family}`;
}

/** The set of the ranges that single devices may reach: elements `device . range`, and `. port` where there is a protocol. */
export function rangeSet(family: Family, l4?: Layer4): string {
  return l4 === undefined ? `by_peer_routed${family}` : `by_peer_routed_${l4}${family}`;
}

/** The sets that hold these grants, empty ones too. When an element leaves, so do the connections that it let in. */
export function grantSets({ services, ranges }: Granted): readonly NamedSet[] {
  const found = new Map<string, Set<string>>();
  const add = (set: string, element: string) => {
    const elements = found.get(set) ?? new Set();
    found.set(set, elements.add(element));
  };
  for (const { peer, protocol, address, port } of services)
    add(grantSet(protocol, addressFamily(address)), `${peer} . ${address} . ${port}`);
  for (const [set, element] of disjoint(ranges)) add(set, element);
  const sets: NamedSet[] = [];
  for (const family of [4, 6] as const) {
    const elements = (name: string) => [...(found.get(name) ?? [])].sort();
    const whole = rangeSet(family);
    sets.push({ name: whole, type: fields(family), interval: true, elements: elements(whole), lets: 'any' });
    for (const l4 of ['tcp', 'udp'] as const) {
      const type = [...fields(family), 'inet_service'] as const;
      const [name, range] = [grantSet(l4, family), rangeSet(family, l4)];
      sets.push({ name, type, interval: false, elements: elements(name), lets: l4 });
      sets.push({ name: range, type, interval: true, elements: elements(range), lets: l4 });
    }
  }
  return sets;
}

function fields(family: Family): readonly SetFieldType[] {
  return family === 4 ? ['ipv4_addr', 'ipv4_addr'] : ['ipv6_addr', 'ipv6_addr'];
}

/** Elements of an interval set must not overlap: of the ranges of one device and port, those within others are left out. */
function* disjoint(ranges: readonly RangeGrant[]): Iterable<readonly [set: string, element: string]> {
  const groups = new Map<string, { readonly first: RangeGrant; readonly cidrs: Cidr[] }>();
  for (const grant of ranges) {
    const { peer, cidr, open } = grant;
    const key = `${peer} ${open?.protocol} ${open?.port}`;
    const group = groups.get(key) ?? { first: grant, cidrs: [] };
    group.cidrs.push(cidr);
    groups.set(key, group);
  }
  for (const { first, cidrs } of groups.values()) {
    const { peer, open } = first;
    const set = rangeSet(addressFamily(peer), open?.protocol);
    const port = open === undefined ? '' : ` . ${open.port}`;
    for (const cidr of normalizeCidrs(cidrs)) yield [set, `${peer} . ${cidrElement(cidr)}${port}`];
  }
}

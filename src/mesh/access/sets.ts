import type { NamedSet } from '../../dataplane/nftables/ruleset.ts';
import { addressFamily, type Family } from '../../net/address.ts';
import type { Grant } from './access.ts';
import type { Layer4 } from './resolve.ts';

/** The set of what single devices may reach by this protocol: elements `device . cluster IP . port`. */
export function grantSet(l4: Layer4, family: Family): string {
  return `by_peer_${l4}${family}`;
}

/** The sets that hold these grants, empty ones too. When an element leaves, so do the connections that it let in. */
export function grantSets(grants: Iterable<Grant>): readonly NamedSet[] {
  const found = new Map<string, Set<string>>();
  for (const { peer, protocol, address, port } of grants) {
    const name = grantSet(protocol, addressFamily(address));
    const elements = found.get(name) ?? new Set();
    found.set(name, elements.add(`${peer} . ${address} . ${port}`));
  }
  return (['tcp', 'udp'] as const).flatMap((l4) =>
    ([4, 6] as const).map((family) => {
      const name = grantSet(l4, family);
      const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
      const type = [address, address, 'inet_service'] as const;
      return { name, type, interval: false, elements: [...(found.get(name) ?? [])].sort(), lets: l4 };
    }),
  );
}

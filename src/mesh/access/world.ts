import type { Namespace, Service } from '../../api/core.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import { keyOf, type ObjectKey } from '../../api/resource.ts';
import type { IpAddress } from '../../net/address.ts';
import { cidrBase } from '../../net/cidr.ts';
import type { PeerTable } from '../peer-table.ts';
import type { Topology } from '../topology.ts';
import type { AccessGateway, AccessMember } from './access.ts';
import type { AccessWorld } from './resolve.ts';

/** The cluster's objects as grants are resolved in them. */
export function accessWorld({
  namespaces,
  peers,
  services,
}: {
  readonly namespaces: Iterable<Namespace>;
  readonly peers: Iterable<MeshPeer>;
  readonly services: Iterable<Service>;
}): AccessWorld {
  const byName = new Map([...namespaces].map((namespace) => [namespace.metadata.name, namespace]));
  const peersIn = byNamespace(peers);
  const servicesIn = byNamespace(services);
  return {
    namespaces: byName.keys().toArray(),
    namespace: (name) => byName.get(name),
    peersIn: (namespace) => peersIn.get(namespace) ?? [],
    servicesIn: (namespace) => servicesIn.get(namespace) ?? [],
  };
}

/** The members that a gateway's nodes let in, each with the addresses that are its own, by whichever of its keys. */
export function accessMembers(table: PeerTable): readonly AccessMember[] {
  const members = new Map<ObjectKey, { readonly peer: MeshPeer; readonly addresses: IpAddress[] }>();
  for (const { publicKey, allowedIPs } of table.wanted.values()) {
    const member = table.memberWith(publicKey);
    if (member === undefined) continue;
    const key = keyOf(member.peer.metadata);
    const known = members.get(key);
    if (known === undefined) members.set(key, { peer: member.peer, addresses: allowedIPs.map(cidrBase) });
    else known.addresses.push(...allowedIPs.map(cidrBase));
  }
  return [...members.values()];
}

/** A gateway as its operator last decided about it. */
export function accessGateway({ gateway, serviceCidrs, cidrs }: Topology): AccessGateway {
  const { name } = gateway.metadata;
  return { name, accessDefault: gateway.spec.access.default, serviceCidrs, routedCidrs: cidrs };
}

function byNamespace<T extends { readonly metadata: { readonly namespace?: string | undefined } }>(
  objects: Iterable<T>,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const object of objects) {
    const { namespace = '' } = object.metadata;
    const group = groups.get(namespace);
    if (group === undefined) groups.set(namespace, [object]);
    else group.push(object);
  }
  return groups;
}

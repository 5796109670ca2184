import { type Namespace, namespaceType, type Service, serviceType } from '../../src/api/core.ts';
import { type MeshAccess, meshAccessType } from '../../src/api/meshaccess.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { aMember } from './builders.ts';

/** As many of each in every namespace: ten devices that may each reach ten Services are a hundred grants. */
const EACH = 10;
export const PORT = 443;

/** A cluster in which owners of Services have granted much, each grant one port to one device. */
export interface ManyGrants {
  readonly namespaces: readonly Namespace[];
  readonly peers: readonly MeshPeer[];
  readonly services: readonly Service[];
  readonly accesses: readonly MeshAccess[];
}

/** `count` grants, a multiple of a hundred; each is an object of its own and one element on the node. */
export function manyGrants(count: number): ManyGrants {
  const names = Array.from({ length: count / (EACH * EACH) }, (_, index) => `team-${index}`);
  const each = <T>(make: (namespace: string, number: number) => T) =>
    names.flatMap((namespace, index) => Array.from({ length: EACH }, (_, own) => make(namespace, index * EACH + own)));
  return {
    namespaces: names.map((name) => namespaceType.parse({ metadata: { name } })),
    peers: each((namespace, number) =>
      aMember({ namespace, name: `laptop-${number}`, address: `10.213.${8 + (number >> 8)}.${number & 255}` }),
    ),
    services: each((namespace, number) =>
      serviceType.parse({
        metadata: { namespace, name: `service-${number}` },
        spec: { clusterIPs: [`10.97.${number >> 8}.${number & 255}`], ports: [{ port: PORT, protocol: 'TCP' }] },
      }),
    ),
    accesses: each((namespace, number) =>
      Array.from({ length: EACH }, (_, own) => aGrantOf(namespace, number, Math.floor(number / EACH) * EACH + own)),
    ).flat(),
  };
}

/** One device of a namespace may reach one Service there. */
export function aGrantOf(namespace: string, laptop: number, service: number): MeshAccess {
  return meshAccessType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshAccess',
    metadata: {
      namespace,
      name: `laptop-${laptop}-to-${service}`,
      uid: `uid-${laptop}-${service}`,
      resourceVersion: '100',
      generation: 1,
      creationTimestamp: '2026-07-01T00:00:00Z',
    },
    spec: {
      from: [{ names: [`laptop-${laptop}`] }],
      to: [{ names: [`service-${service}`], ports: [{ number: PORT }] }],
    },
  });
}

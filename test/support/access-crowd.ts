import { serviceType } from '../../src/api/core.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import { aKey, aMember, aNamespace, NOW } from './builders.ts';

/** More devices than one grant opens a Service's ports to: 300 of one address, oldest first, and 100 ports. */
export function accessCrowd() {
  const peers = Array.from({ length: 300 }, (_, index) =>
    aMember({
      name: `peer-${index}`,
      metadata: { creationTimestamp: new Date(NOW - 1_000 * (1_000 - index)).toISOString() },
      spec: { publicKey: aKey(`${index}`) },
      status: { addresses: [`10.213.${1 + (index >> 7)}.${index & 127}`] },
    }),
  );
  const ports = Array.from({ length: 100 }, (_, index) => ({ name: `p${index}`, port: index + 1, protocol: 'TCP' }));
  const service = serviceType.parse({
    metadata: { name: 'web', namespace: 'shop' },
    spec: { clusterIPs: ['10.96.0.20'], ports },
  });
  const access = meshAccessType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshAccess',
    metadata: { name: 'all', namespace: 'shop' },
    spec: { from: [{ namespaces: { names: ['team-a'] } }], to: [{}] },
  });
  return { peers, service, access, namespaces: [aNamespace(), aNamespace('shop')] };
}

import type { MeshGateway } from './meshgateway.ts';
import { API_VERSION } from './names.ts';
import type { OwnerReference } from './resource.ts';

/** Makes the garbage collector delete an object together with its MeshGateway. */
export function ownerReferenceOf(gateway: MeshGateway): OwnerReference {
  return {
    apiVersion: API_VERSION,
    kind: 'MeshGateway',
    name: gateway.metadata.name,
    uid: gateway.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

import { API_VERSION } from './names.ts';
import type { ObjectMeta, OwnerReference } from './resource.ts';

/** Makes the garbage collector delete an object together with its owner, by default a MeshGateway. */
export function ownerReferenceOf(
  { metadata: { name, uid } }: { readonly metadata: Pick<ObjectMeta, 'name' | 'uid'> },
  kind: 'MeshGateway' | 'MeshGatewayNode' = 'MeshGateway',
): OwnerReference {
  return { apiVersion: API_VERSION, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

import { API_VERSION } from './names.ts';
import type { ObjectMeta, OwnerReference } from './resource.ts';

/**
 * Makes the garbage collector delete an object together with its owner, by default a MeshGateway. It does not block the owner's deletion:
 * where that right is enforced (OwnerReferencesPermissionEnforcement, which OpenShift has on), an API server refuses it for half a minute
 * after the owner's kind was installed, and to whoever has no right to the owner's finalizers.
 */
export function ownerReferenceOf(
  { metadata: { name, uid } }: { readonly metadata: Pick<ObjectMeta, 'name' | 'uid'> },
  kind: 'MeshGateway' | 'MeshGatewayNode' = 'MeshGateway',
): OwnerReference {
  return { apiVersion: API_VERSION, kind, name, uid, controller: true };
}

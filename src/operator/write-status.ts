import { OPERATOR_MANAGER } from '../api/names.ts';
import type { KubernetesObject, ResourceType } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';

/** An object whose status the operator writes. */
type WithStatus = KubernetesObject & { readonly status?: object | undefined };

/**
 * Applies a status. Where it cannot be read even then, because of fields that somebody else left in it, the whole status is
 * removed first: it is the operator's alone.
 */
export async function writeStatus<T extends WithStatus>(
  client: Client,
  type: ResourceType<T>,
  { metadata: { name, namespace } }: T,
  status: object,
): Promise<T> {
  const target = namespace === undefined ? { name } : { name, namespace };
  const apply = () => client.applyStatus(type, target, status, { fieldManager: OPERATOR_MANAGER });
  const written = await apply();
  if (written.status !== undefined) return written;
  await client.patch(type, target, { status: null }, { subresource: 'status' });
  return apply();
}

import { apiVersionOf, type KubernetesObject, type ResourceType } from '../api/resource.ts';

/** Which object, or which collection when the name is absent. */
export interface Place {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: 'status' | undefined;
}

/** The URL path of a collection or an object. @throws {Error} for an object of a namespaced type without a namespace. */
export function resourcePath<T extends KubernetesObject>(type: ResourceType<T>, place: Place): string {
  if (type.namespaced && place.name !== undefined && place.namespace === undefined) {
    throw new Error(`${type.plural} ${place.name}: a namespace is needed`);
  }
  const parts = [groupPath(type)];
  if (type.namespaced && place.namespace !== undefined) parts.push('namespaces', encodeURIComponent(place.namespace));
  parts.push(type.plural);
  if (place.name !== undefined) parts.push(encodeURIComponent(place.name));
  if (place.subresource !== undefined) parts.push(place.subresource);
  return parts.join('/');
}

/** The URL path under which the server lists what a group and version contain. */
export function groupPath(type: { readonly group: string; readonly version: string }): string {
  return `/${type.group === '' ? 'api' : 'apis'}/${apiVersionOf(type)}`;
}

import { apiVersionOf, type KubernetesObject, keyOf, type ObjectKey, type ResourceType } from '../api/resource.ts';

/** Told about an object that does not have the shape its type promises. The others of its collection go on. */
export type OnUnparsable = (key: ObjectKey, error: Error) => void;

/** What every object from the server has, found before it is parsed. */
export interface RawObject {
  readonly key: ObjectKey;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly raw: Readonly<Record<string, unknown>>;
}

/**
 * An object as the server sent it, made ready for `type.parse`: kind and apiVersion, which items of a list lack, are
 * filled in, and managedFields, often half of an object's bytes, are dropped but for who wrote last. Undefined when it has no name.
 */
export function rawObject<T extends KubernetesObject>(type: ResourceType<T>, value: unknown): RawObject | undefined {
  if (!isRecord(value) || !isRecord(value.metadata)) return undefined;
  const { managedFields, ...metadata } = value.metadata;
  const writtenBy = lastWriter(managedFields);
  const { name, namespace, uid, resourceVersion } = metadata;
  if (typeof name !== 'string') return undefined;
  return {
    key: keyOf({ name, namespace: typeof namespace === 'string' ? namespace : undefined }),
    uid: typeof uid === 'string' ? uid : '',
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    raw: {
      ...value,
      apiVersion: apiVersionOf(type),
      kind: type.kind,
      metadata: { ...metadata, ...(writtenBy === undefined ? {} : { writtenBy }) },
    },
  };
}

/** Parses an object of a single answer. @throws {Error} that names the object when it does not have the shape. */
export function parseObject<T extends KubernetesObject>(type: ResourceType<T>, value: unknown): T {
  const object = rawObject(type, value);
  if (object === undefined) throw new Error(`parse ${type.kind}: the answer is not an object with a name`);
  try {
    return type.parse(object.raw);
  } catch (cause) {
    throw new Error(`parse ${type.kind} ${object.key}`, { cause });
  }
}

/** Parses one object of a collection; an object without the shape is reported and left out. */
export function parseItem<T extends KubernetesObject>(
  type: ResourceType<T>,
  object: RawObject,
  onUnparsable: OnUnparsable,
): T | undefined {
  try {
    return type.parse(object.raw);
  } catch (error) {
    onUnparsable(object.key, error instanceof Error ? error : new Error(String(error)));
    return undefined;
  }
}

/** The manager of the latest entry that is not about a status; entries tell times by the second, and of two in one the later entry counts. */
function lastWriter(managedFields: unknown): string | undefined {
  if (!Array.isArray(managedFields)) return undefined;
  let latest: { readonly manager: string; readonly time: string } | undefined;
  for (const entry of managedFields) {
    if (!isRecord(entry) || typeof entry.manager !== 'string' || entry.subresource !== undefined) continue;
    const time = typeof entry.time === 'string' ? entry.time : '';
    if (latest === undefined || time >= latest.time) latest = { manager: entry.manager, time };
  }
  return latest?.manager;
}

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

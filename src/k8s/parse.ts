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
 * filled in, and managedFields, often half of an object's bytes, are dropped. Undefined when it has no name.
 */
export function rawObject<T extends KubernetesObject>(type: ResourceType<T>, value: unknown): RawObject | undefined {
  if (!isRecord(value) || !isRecord(value.metadata)) return undefined;
  const { managedFields: _, ...metadata } = value.metadata;
  const { name, namespace, uid, resourceVersion } = metadata;
  if (typeof name !== 'string') return undefined;
  return {
    key: keyOf({ name, namespace: typeof namespace === 'string' ? namespace : undefined }),
    uid: typeof uid === 'string' ? uid : '',
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    raw: { ...value, apiVersion: apiVersionOf(type), kind: type.kind, metadata },
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

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import * as z from 'zod';

/** A reference to the object that owns another one, for the garbage collector. */
export const ownerReferenceSchema = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
  blockOwnerDeletion: z.boolean().optional(),
});

/** The part of ObjectMeta that Sallyport reads. `resourceVersion` of one collection grows with every write to it. */
export const objectMetaSchema = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().default(''),
  resourceVersion: z.string().default('0'),
  generation: z.number().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  creationTimestamp: z.string().default(''),
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
  ownerReferences: z.array(ownerReferenceSchema).optional(),
});

/** A resourceVersion as a number, to be compared with others of its collection; -1 for none, and for one that is no number. */
export function versionNumber(resourceVersion: string | undefined): bigint {
  return resourceVersion !== undefined && /^\d+$/.test(resourceVersion) ? BigInt(resourceVersion) : -1n;
}

export type OwnerReference = Readonly<z.infer<typeof ownerReferenceSchema>>;
export type ObjectMeta = Readonly<z.infer<typeof objectMetaSchema>>;

/** Any object the API server stores, as far as every object is alike. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** What the transport must know to address a kind of object, and the parser that makes its answers typed. */
export interface ResourceType<T extends KubernetesObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Turns one object of the API server into `T`. @throws {ZodError} when the object does not have the shape. */
  parse(raw: unknown): T;
}

/**
 * The parser of a kind whose status its owner writes anew from whatever it finds: a status that cannot be read counts as absent.
 * @throws {ZodError} when anything else cannot be read.
 */
export function parserWithoutBadStatus<T>(schema: z.ZodType<T>): (raw: unknown) => T {
  return (raw) => {
    const result = schema.safeParse(raw);
    if (result.success) return result.data;
    if (typeof raw !== 'object' || raw === null || !('status' in raw)) throw result.error;
    const { status: _, ...rest } = raw;
    return schema.parse(rest);
  };
}

/** `namespace/name`, or just the name for cluster-scoped objects: the key of caches and work queues. */
export type ObjectKey = string & { readonly __objectKey: never };

/** The key of an object with this name. */
export function keyOf(metadata: { readonly name: string; readonly namespace?: string | undefined }): ObjectKey {
  return (metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`) as ObjectKey;
}

/** The parts of a key. */
export function splitKey(key: ObjectKey): { readonly namespace?: string; readonly name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `group/version`, or the version alone for the core group. */
export function apiVersionOf(type: { readonly group: string; readonly version: string }): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

import {
  apiVersionOf,
  type KubernetesObject,
  type ObjectKey,
  type OwnerReference,
  type ResourceType,
} from '../api/resource.ts';
import { isNotFound, isUnmergeable } from './errors.ts';
import { listPages, type Selection } from './list.ts';
import { isRecord, type OnUnparsable, parseItem, parseObject } from './parse.ts';
import { groupPath, resourcePath } from './resource-path.ts';
import type { Transport, TransportRequest } from './transport.ts';

/** What is sent: apiVersion and kind are filled in from the type. */
export interface Manifest {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly ownerReferences?: readonly OwnerReference[] | undefined;
  };
}

export interface ListOptions extends Selection {
  readonly signal?: AbortSignal | undefined;
  /** Without it an object that does not parse fails the whole list. */
  readonly onUnparsable?: OnUnparsable | undefined;
}

export interface ApplyOptions {
  /** Who owns the fields that are sent. Fields this owner sent before and does not send now are removed. */
  readonly fieldManager: string;
  /** Takes over fields that others own (default true: what we own, we own). Otherwise such a field is a conflict. */
  readonly force?: boolean;
}

export interface DeleteOptions {
  /** Refused with a conflict unless the object is this one, or in this state. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  readonly gracePeriodSeconds?: number;
}

/** Typed access to one API server: everything that comes out has been parsed by its `ResourceType`. */
export interface Client {
  /** Undefined when there is no such object. */
  get<T extends KubernetesObject>(type: ResourceType<T>, name: string, namespace?: string): Promise<T | undefined>;
  /** Everything of a selection, at one resourceVersion. */
  list<T extends KubernetesObject>(
    type: ResourceType<T>,
    options?: ListOptions,
  ): Promise<{ readonly items: readonly T[]; readonly resourceVersion: string }>;
  /** @throws {ApiError} `isAlreadyExists` when the name is taken. */
  create<T extends KubernetesObject, M extends Manifest>(type: ResourceType<T>, manifest: M): Promise<T>;
  /** Replaces the object; with `metadata.resourceVersion` only if it is unchanged (`isConflict` otherwise). */
  replace<T extends KubernetesObject, M extends Manifest>(type: ResourceType<T>, manifest: M): Promise<T>;
  /** Server-side apply: creates the object or brings the given fields to the given values. */
  apply<T extends KubernetesObject, M extends Manifest>(
    type: ResourceType<T>,
    manifest: M,
    options: ApplyOptions,
  ): Promise<T>;
  /**
   * Server-side apply of `status` alone. A status that does not fit its own schema, so that nothing can be merged into it, is
   * removed first. @throws {ApiError} `isNotFound` when the object is gone.
   */
  applyStatus<T extends KubernetesObject>(
    type: ResourceType<T>,
    target: Manifest['metadata'],
    status: object,
    options: ApplyOptions,
  ): Promise<T>;
  /** JSON merge patch: fields set to null are removed, lists are replaced. */
  patch<T extends KubernetesObject>(
    type: ResourceType<T>,
    target: Manifest['metadata'],
    patch: object,
    options?: { readonly subresource?: 'status' },
  ): Promise<T>;
  /** False when there was nothing to delete. */
  delete<T extends KubernetesObject>(
    type: ResourceType<T>,
    target: Manifest['metadata'],
    options?: DeleteOptions,
  ): Promise<boolean>;
  /** Whether the server serves this group, version and plural. */
  discover<T extends KubernetesObject>(type: ResourceType<T>): Promise<boolean>;
}

/** A client over a transport; `timeoutMs` is for each request, where the transport's own is too long. */
export function createClient(over: Transport, options: { readonly timeoutMs?: number } = {}): Client {
  const transport: Transport = { ...over, request: (request) => over.request({ ...options, ...request }) };
  const send = async <T extends KubernetesObject>(type: ResourceType<T>, request: TransportRequest) =>
    parseObject(type, await transport.request(request));
  return {
    get: (type, name, namespace) =>
      orUndefined(send(type, { method: 'GET', path: resourcePath(type, { name, namespace }) })),
    list: (type, options = {}) => list(transport, type, options),
    create: (type, manifest) =>
      send(type, {
        method: 'POST',
        path: resourcePath(type, { namespace: manifest.metadata.namespace }),
        body: typed(type, manifest),
      }),
    replace: (type, manifest) =>
      send(type, { method: 'PUT', path: resourcePath(type, place(manifest.metadata)), body: typed(type, manifest) }),
    apply: (type, manifest, options) =>
      send(type, {
        ...applyRequest(options),
        path: resourcePath(type, place(manifest.metadata)),
        body: typed(type, manifest),
      }),
    applyStatus: (type, target, status, options) => {
      const path = resourcePath(type, { ...place(target), subresource: 'status' });
      const body = typed(type, { metadata: place(target), status });
      const apply = () => send(type, { ...applyRequest(options), path, body });
      return apply().catch(async (error: unknown) => {
        if (!isUnmergeable(error)) throw error;
        await transport.request({ ...MERGE_PATCH, path, body: { status: null } });
        return apply();
      });
    },
    patch: (type, target, patch, options = {}) =>
      send(type, {
        ...MERGE_PATCH,
        path: resourcePath(type, { ...place(target), subresource: options.subresource }),
        body: patch,
      }),
    delete: (type, target, options = {}) => remove(transport, type, target, options),
    discover: (type) => discover(transport, type),
  };
}

async function list<T extends KubernetesObject>(transport: Transport, type: ResourceType<T>, options: ListOptions) {
  const onUnparsable = options.onUnparsable ?? failOn(type);
  let items: T[] = [];
  const resourceVersion = await listPages(transport, type, options, {
    signal: options.signal,
    onRestart: () => {
      items = [];
    },
    onItem: (object) => {
      const parsed = parseItem(type, object, onUnparsable);
      if (parsed !== undefined) items.push(parsed);
    },
  });
  return { items, resourceVersion };
}

function failOn<T extends KubernetesObject>(type: ResourceType<T>): OnUnparsable {
  return (key: ObjectKey, cause: Error) => {
    throw new Error(`parse ${type.kind} ${key}`, { cause });
  };
}

async function remove<T extends KubernetesObject>(
  transport: Transport,
  type: ResourceType<T>,
  target: Manifest['metadata'],
  options: DeleteOptions,
): Promise<boolean> {
  const { uid, resourceVersion, ...rest } = options;
  const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
  try {
    await transport.request({
      method: 'DELETE',
      path: resourcePath(type, place(target)),
      body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions, ...rest },
    });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function discover<T extends KubernetesObject>(transport: Transport, type: ResourceType<T>): Promise<boolean> {
  try {
    const answer = await transport.request({ method: 'GET', path: groupPath(type) });
    const resources = isRecord(answer) && Array.isArray(answer.resources) ? answer.resources : [];
    return resources.some((resource) => isRecord(resource) && resource.name === type.plural);
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

const MERGE_PATCH = { method: 'PATCH', contentType: 'application/merge-patch+json' } as const;

function applyRequest({ fieldManager, force = true }: ApplyOptions) {
  // JSON is YAML; this content type alone makes a PATCH an apply.
  return { method: 'PATCH', contentType: 'application/apply-patch+yaml', query: { fieldManager, force } } as const;
}

function typed<T extends KubernetesObject, M extends Manifest>(type: ResourceType<T>, manifest: M) {
  return { ...manifest, apiVersion: apiVersionOf(type), kind: type.kind };
}

function place({ name, namespace }: Manifest['metadata']) {
  return namespace === undefined ? { name } : { name, namespace };
}

async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

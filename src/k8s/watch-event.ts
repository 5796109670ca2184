import type { KubernetesObject, ResourceType } from '../api/resource.ts';
import { TransportError } from './errors.ts';
import { isRecord, type RawObject, rawObject } from './parse.ts';

/** One line of a watch. */
export type WatchEvent =
  | { readonly kind: 'changed'; readonly object: RawObject }
  | { readonly kind: 'deleted'; readonly object: RawObject }
  /** Nothing changed up to this version; `complete` ends the initial events of a streaming list. */
  | { readonly kind: 'bookmark'; readonly resourceVersion: string; readonly complete: boolean }
  /** The server gives the watch up, and this `Status` says why. */
  | { readonly kind: 'error'; readonly status: unknown };

/** Marks the bookmark after which a streaming list has sent everything there was. */
export const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/** Reads one line of a watch. @throws {TransportError} when it is not a watch event. */
export function watchEvent<T extends KubernetesObject>(type: ResourceType<T>, line: string): WatchEvent {
  const event = readLine(type, line);
  const kind = event.type;
  if (kind === 'ERROR') return { kind: 'error', status: event.object };
  if (kind === 'BOOKMARK') return bookmark(type, event.object);
  const object = rawObject(type, event.object);
  if (object === undefined) throw notAnEvent(type, 'it has no object with a name');
  if (kind === 'ADDED' || kind === 'MODIFIED') return { kind: 'changed', object };
  if (kind === 'DELETED') return { kind: 'deleted', object };
  throw notAnEvent(type, `its type is ${JSON.stringify(kind)}`);
}

function readLine<T extends KubernetesObject>(type: ResourceType<T>, line: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw notAnEvent(type, 'it is not JSON', cause);
  }
  if (!isRecord(parsed)) throw notAnEvent(type, 'it is not an object');
  return parsed;
}

function bookmark<T extends KubernetesObject>(type: ResourceType<T>, object: unknown): WatchEvent {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { resourceVersion, annotations } = metadata;
  if (typeof resourceVersion !== 'string') throw notAnEvent(type, 'it is a bookmark without a version');
  const complete = isRecord(annotations) && annotations[INITIAL_EVENTS_END] === 'true';
  return { kind: 'bookmark', resourceVersion, complete };
}

function notAnEvent<T extends KubernetesObject>(type: ResourceType<T>, why: string, cause?: unknown): TransportError {
  return new TransportError(`watch ${type.plural}: a line is not a watch event: ${why}`, { cause });
}

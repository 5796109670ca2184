import type { ServerResponse } from 'node:http';
import type { Json } from './json.ts';
import { gone, Refusal } from './refusal.ts';
import type { Asked } from './respond.ts';
import { selects } from './selector.ts';
import type { FakeApiServer } from './server.ts';
import type { Collection, StoredEvent } from './storage.ts';
import { WatchStream } from './watch-stream.ts';

/** Opens a watch: from now, from a version, or with everything that exists first. @throws {Refusal} */
export function watch(
  server: FakeApiServer,
  { collection, namespace }: { readonly collection: Collection; readonly namespace: string | undefined },
  asked: Asked,
  response: ServerResponse,
): void {
  const { query } = asked;
  const streaming = query.get('sendInitialEvents') === 'true';
  if (streaming && !server.streamingLists) {
    const why =
      'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
    throw new Refusal(422, 'Invalid', why);
  }
  const stream = new WatchStream(response, asked.fault);
  server.watches.add(stream);
  server.happened();
  const matches = selects(query, namespace);
  // From a version that is still to come, nothing is told until it has come.
  const from = Number(query.get('resourceVersion') ?? 0);
  const unlisten = collection.onEvent((event) => event.version > from && relay(stream, event, matches));
  const seconds = Number(query.get('timeoutSeconds') ?? 3600);
  const timer = setTimeout(() => stream.finish('end'), seconds * 1000);
  response.once('close', () => {
    clearTimeout(timer);
    unlisten();
    server.watches.delete(stream);
    server.happened();
  });
  if (asked.fault?.kind === 'error-in-stream') {
    stream.send({ type: 'ERROR', object: asked.fault.object });
    stream.finish('end');
  } else if (streaming) sendInitial(server, stream, collection.list().filter(matches), collection);
  else replay(stream, collection, query.get('resourceVersion') ?? '', matches);
}

function sendInitial(
  server: FakeApiServer,
  stream: WatchStream,
  objects: readonly Json[],
  collection: Collection,
): void {
  const version = String(server.version);
  for (const object of objects) stream.send({ type: 'ADDED', object });
  const { kind } = collection.resource;
  const metadata = { resourceVersion: version, annotations: { 'k8s.io/initial-events-end': 'true' } };
  stream.send({ type: 'BOOKMARK', object: { kind, metadata } });
}

function replay(stream: WatchStream, collection: Collection, from: string, matches: (object: Json) => boolean): void {
  if (from === '' || from === '0') {
    for (const object of collection.list().filter(matches)) stream.send({ type: 'ADDED', object });
    return;
  }
  const missed = collection.since(Number(from));
  if (missed === undefined) {
    // The real server has answered 200 by the time it finds out.
    stream.send({ type: 'ERROR', object: gone().status });
    stream.finish('end');
    return;
  }
  for (const event of missed) relay(stream, event, matches);
}

/** An object that comes to match a selector is added, one that ceases to is deleted. */
function relay(stream: WatchStream, event: StoredEvent, matches: (object: Json) => boolean): void {
  const before = event.before !== undefined && matches(event.before);
  const after = event.type !== 'DELETED' && matches(event.object);
  if (after) stream.send({ type: before ? 'MODIFIED' : 'ADDED', object: event.object });
  else if (before) stream.send({ type: 'DELETED', object: event.object });
}

import type { FakeApiServer } from './fake-api-server/server.ts';

/** Has whoever watches the objects below this path list them anew, and be told that there are none. */
export function tellEmptyList(server: FakeApiServer, path: string): void {
  server.fault({ when: 'streaming-list', path, times: 1, action: { kind: 'refuse', code: 422 } });
  server.nextVersion();
  server.compact();
  const text = JSON.stringify({ metadata: { resourceVersion: `${server.nextVersion()}` }, items: [] });
  server.fault({ method: 'GET', when: 'list', path, times: 1, action: { kind: 'answer', text } });
  server.finishWatches('cut');
}

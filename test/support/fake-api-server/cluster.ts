import { onTestFinished } from 'vitest';
import { type Client, createClient } from '../../../src/k8s/client.ts';
import { createTransport, type Transport } from '../../../src/k8s/transport.ts';
import { FakeApiServer, type FakeApiServerOptions } from './server.ts';

export interface FakeCluster {
  readonly server: FakeApiServer;
  readonly transport: Transport;
  readonly client: Client;
  /** Aborted when the test ends. */
  readonly signal: AbortSignal;
}

/** A fake API server and a client for it, for one test. */
export async function startFakeCluster(
  options: FakeApiServerOptions & { readonly token?: string; readonly timeoutMs?: number } = {},
): Promise<FakeCluster> {
  const server = await FakeApiServer.start(options);
  const { token, timeoutMs } = options;
  const transport = createTransport(server.connection(token === undefined ? {} : { token }), {
    userAgent: 'test',
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const end = new AbortController();
  onTestFinished(async () => {
    end.abort(new Error('the test has ended'));
    transport.close();
    await server.stop();
  });
  return { server, transport, client: createClient(transport), signal: end.signal };
}

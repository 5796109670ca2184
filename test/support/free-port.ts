import { once } from 'node:events';
import { createServer } from 'node:net';

/** A port that nobody has at any address of this machine just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '::');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}

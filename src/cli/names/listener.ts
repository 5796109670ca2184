import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Socket as Connection, createServer, type Server } from 'node:net';
import type { Transport } from './ask-server.ts';
import { framed, TcpMessages } from './tcp-messages.ts';

/** What answers a message; undefined for silence. */
export type Answer = (message: Uint8Array, transport: Transport) => Promise<Uint8Array | undefined>;

/** A UDP and a TCP socket on one address. */
export interface Listener {
  readonly address: string;
  close(): Promise<void>;
}

export interface ListenOptions {
  /** The first one is taken where the port is free. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly answer: Answer;
}

const MOST_CONNECTIONS = 64;
const IDLE_MS = 10_000;

/** Listens on the first address where the port is free. @throws when it is taken on all, or may not be opened */
export async function listen({ addresses, port, answer }: ListenOptions): Promise<Listener> {
  for (const address of addresses) {
    const listener = await opened(address, port, answer);
    if (listener !== undefined) return listener;
  }
  const tried = addresses.length === 1 ? addresses[0] : `${addresses[0]} to ${addresses.at(-1)}`;
  throw new Error(
    `port ${port} is taken on ${tried}: another DNS server listens on all addresses; let it listen on its own ones only`,
  );
}

async function opened(address: string, port: number, answer: Answer): Promise<Listener | undefined> {
  const udp = createSocket('udp4');
  const tcp = createServer();
  const connections = new Set<Connection>();
  const close = async () => {
    udp.close();
    for (const connection of connections) connection.destroy();
    if (tcp.listening) await new Promise((resolve) => tcp.close(resolve));
  };
  try {
    const bound = once(udp, 'listening');
    udp.bind({ port, address, exclusive: true });
    await bound;
    const listening = once(tcp, 'listening');
    tcp.listen({ port, host: address, exclusive: true });
    await listening;
  } catch (error) {
    await close();
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw new Error(`listen on ${address} port ${port}`, { cause: error });
  }
  answerDatagrams(udp, answer);
  answerConnections(tcp, connections, answer);
  return { address, close };
}

function answerDatagrams(socket: Socket, answer: Answer): void {
  // Of a client that is gone; nothing of ours is at fault.
  socket.on('error', () => undefined);
  socket.on('message', async (message, { address, port }) => {
    const bytes = await answer(message, 'udp');
    if (bytes !== undefined && isOpen(socket)) socket.send(bytes, port, address, () => undefined);
  });
}

/** A closed socket throws when it is asked for anything. */
function isOpen(socket: Socket): boolean {
  try {
    return socket.address() !== undefined;
  } catch {
    return false;
  }
}

function answerConnections(server: Server, connections: Set<Connection>, answer: Answer): void {
  server.maxConnections = MOST_CONNECTIONS;
  server.on('connection', (connection) => {
    connections.add(connection);
    const messages = new TcpMessages(async (message) => {
      const bytes = await answer(message, 'tcp');
      if (bytes !== undefined && connection.writable) connection.write(framed(bytes));
    });
    connection
      .setTimeout(IDLE_MS, () => connection.destroy())
      .on('error', () => connection.destroy())
      .on('close', () => connections.delete(connection))
      .on('data', (bytes) => messages.push(bytes));
  });
}

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6 } from 'node:net';
import { isAnswerTo, withId } from '../../laptop/names/dns-message.ts';
import { framed, TcpMessages } from './tcp-messages.ts';

/** How a server is asked: the way in which the client asked us. */
export type Transport = 'udp' | 'tcp';

/**
 * The server's answer, still under the id of our own question. Each question has an id and a source port of its own and takes an
 * answer only from whom it asked, so that nobody can slip in another one (RFC 5452).
 * @throws when the server refuses, closes, or the signal comes first
 */
export async function askServer(
  server: { readonly address: string; readonly port: number },
  message: Uint8Array,
  { transport, signal }: { readonly transport: Transport; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  signal.throwIfAborted();
  const question = withId(message, randomInt(0x10000));
  return transport === 'udp' ? askByUdp(server, question, signal) : askByTcp(server, question, signal);
}

interface Server {
  readonly address: string;
  readonly port: number;
}

async function askByUdp({ address, port }: Server, question: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const answer = Promise.withResolvers<Uint8Array>();
  const abort = () => answer.reject(signal.reason);
  signal.addEventListener('abort', abort);
  // A connected socket hears nobody else, and hears of it when nobody listens there.
  socket.on('error', answer.reject).on('message', (message) => {
    if (isAnswerTo(question, message)) answer.resolve(message);
  });
  try {
    socket.connect(port, address, () =>
      socket.send(question, (error) => {
        if (error !== null) answer.reject(error);
      }),
    );
    return await answer.promise;
  } finally {
    signal.removeEventListener('abort', abort);
    socket.close();
  }
}

async function askByTcp({ address, port }: Server, question: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const socket = connect(port, address);
  const answer = Promise.withResolvers<Uint8Array>();
  const messages = new TcpMessages((message) => {
    if (isAnswerTo(question, message)) answer.resolve(message);
  });
  const abort = () => answer.reject(signal.reason);
  signal.addEventListener('abort', abort);
  socket
    .on('error', answer.reject)
    .on('data', (bytes) => messages.push(bytes))
    .on('close', () => answer.reject(new Error('the server closed the connection')));
  try {
    await Promise.race([once(socket, 'connect', { signal }), answer.promise]);
    socket.write(framed(question));
    return await answer.promise;
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

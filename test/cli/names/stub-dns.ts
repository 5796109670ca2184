import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { framed, TcpMessages } from '../../../src/cli/names/tcp-messages.ts';
import { errorAnswer, RCODE, readQuery } from '../../../src/laptop/names/dns-message.ts';

/** A question as a server got it. */
export interface Asked {
  readonly name: string;
  readonly type: number;
  readonly transport: 'udp' | 'tcp';
  readonly id: number;
  /** The port it came from. */
  readonly port: number;
  readonly message: Uint8Array;
}

/** What a server says: an address, an error, that it is too long for a datagram, nothing, or bytes of its own. */
export type Reply = string | number | 'truncated' | 'silence' | Uint8Array;

/** A DNS server that says what it is told to, and remembers what it was asked. */
export class StubDns {
  readonly asked: Asked[] = [];
  reply: (asked: Asked) => Reply;
  readonly #closers: (() => void)[] = [];

  private constructor(reply: (asked: Asked) => Reply) {
    this.reply = reply;
  }

  static async open(address: string, port: number, reply: (asked: Asked) => Reply): Promise<StubDns> {
    const stub = new StubDns(reply);
    const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    udp.on('message', (message, { address: to, port: from }: RemoteInfo) => {
      const answer = stub.#answer(message, 'udp', from);
      if (answer !== undefined) udp.send(answer, from, to);
    });
    const connections = new Set<Socket>();
    const tcp = createServer((connection) => {
      connections.add(connection);
      const messages = new TcpMessages((message) => {
        const answer = stub.#answer(message, 'tcp', connection.remotePort ?? 0);
        if (answer !== undefined) connection.write(framed(answer));
      });
      connection.on('data', (bytes) => messages.push(bytes)).on('error', () => undefined);
    });
    stub.#closers.push(
      () => udp.close(),
      () => tcp.close(),
      () => {
        for (const connection of connections) connection.destroy();
      },
    );
    udp.bind(port, address);
    tcp.listen(port, address);
    await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
    return stub;
  }

  /** The names it was asked for, without repetitions. */
  get names(): readonly string[] {
    return [...new Set(this.asked.map(({ name }) => name))];
  }

  close(): void {
    for (const close of this.#closers) close();
  }

  #answer(message: Uint8Array, transport: 'udp' | 'tcp', port: number): Uint8Array | undefined {
    const read = readQuery(message);
    if (read === undefined || 'rcode' in read) return undefined;
    const { id, labels, type } = read.query;
    const asked = { name: labels.join('.'), type, transport, id, port, message: Uint8Array.from(message) };
    this.asked.push(asked);
    return replyTo(message, this.reply(asked), read.query);
  }
}

function replyTo(
  message: Uint8Array,
  reply: Reply,
  { end, type }: { readonly end: number; readonly type: number },
): Uint8Array | undefined {
  if (reply === 'silence') return undefined;
  if (reply === RCODE.nxDomain) return noSuchName(message, end);
  if (typeof reply === 'number') return errorAnswer(message, reply);
  if (typeof reply !== 'string') return reply;
  const answer = errorAnswer(message, 0).subarray(0, end);
  if (reply === 'truncated') return answer.with(2, (answer[2] ?? 0) | 2);
  if (type !== 1) return answer;
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...reply.split('.').map(Number)];
  return Uint8Array.from([...answer.with(7, 1), ...record]);
}

const TOP_LEVELS = ['com', 'example'];

/** "No such name", said by who is in charge of its top-level domain, or by the root where that does not exist. */
function noSuchName(message: Uint8Array, end: number): Uint8Array {
  const answer = errorAnswer(message, RCODE.nxDomain).subarray(0, end).with(9, 1);
  const question = Buffer.from(message.subarray(0, end)).toString('latin1').toLowerCase();
  const at = Math.max(...TOP_LEVELS.map((label) => question.indexOf(`${String.fromCharCode(label.length)}${label}\0`)));
  const owner = at < 0 ? [0] : [0xc0, at];
  const soa = [0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0, ...new Array(20).fill(0)];
  return Uint8Array.from([...answer, ...owner, ...soa]);
}

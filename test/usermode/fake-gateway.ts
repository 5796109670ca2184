import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { curveKeys } from '../../src/net/curve-keys.ts';
import { keyBytes, type PublicKey } from '../../src/net/key.ts';
import { type KeyPair, keyPairFrom } from '../../src/net/key-pair.ts';
import { concat } from '../../src/usermode/bytes.ts';
import { PROTOCOL, parseIp } from '../../src/usermode/ip.ts';
import { reflexTo } from '../../src/usermode/reflex.ts';
import { type SessionEvent, step } from '../../src/usermode/session.ts';
import { newSession, SESSION_DEFAULTS, type Session } from '../../src/usermode/session-state.ts';
import { buildTcp, parseTcp, TCP_FLAG } from '../../src/usermode/tcp.ts';
import { buildUdp, parseUdp } from '../../src/usermode/udp.ts';
import { hex, right } from './builders.ts';

/** A gateway in this process: a WireGuard responder on loopback, behind which every name and every port 443 answers. */
export class FakeGateway {
  readonly keys: KeyPair;
  handshakes = 0;
  /** Packets that came out of the tunnel, acknowledgements of ours included. */
  readonly packets: Uint8Array[] = [];
  readonly #socket: Socket;
  #client: { readonly port: number; readonly address: string } | undefined;
  #session: Session;

  private constructor(socket: Socket, keys: KeyPair, peer: PublicKey) {
    this.#socket = socket;
    this.keys = keys;
    this.#session = newSession({
      ...SESSION_DEFAULTS,
      local: curveKeys(keyBytes(keys.privateKey)),
      peerPublicKey: keyBytes(peer),
      presharedKey: new Uint8Array(32),
    });
    socket.on('message', (datagram, client) => {
      this.#client = client;
      this.#take({ kind: 'datagram', datagram: Uint8Array.from(datagram) });
    });
  }

  static async listen(peer: PublicKey, port = 0, keys = keyPairFrom(randomBytes(32))): Promise<FakeGateway> {
    const socket = createSocket('udp4');
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    return new FakeGateway(socket, keys, peer);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Forgets every session, as a restart does, but not the newest timestamp. */
  forget(): void {
    this.#session = { ...this.#session, current: undefined, previous: undefined, next: undefined };
  }

  /** Sends a packet into the tunnel. */
  send(packet: Uint8Array): void {
    this.#take({ kind: 'packet', packet });
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #take(event: SessionEvent): void {
    const next = step(this.#session, event, { now: performance.now(), unixMs: Date.now(), randomBytes });
    this.#session = next.session;
    for (const effect of next.effects) {
      if (effect.kind === 'send' && this.#client !== undefined)
        this.#socket.send(effect.datagram, this.#client.port, this.#client.address);
      if (effect.kind === 'established') this.handshakes++;
      if (effect.kind === 'receive') this.#answer(effect.packet);
    }
  }

  #answer(packet: Uint8Array): void {
    this.packets.push(packet);
    const ip = right(parseIp(packet));
    const flow = { source: ip.destination, destination: ip.source };
    if (ip.protocol === PROTOCOL.udp) {
      const { sourcePort, payload } = right(parseUdp(ip));
      const answer = concat(payload, hex('c00c 0001 0001 0000001e 0004 c0000201'));
      answer.set([0x81, 0x80, 0, 1, 0, 1], 2);
      this.send(buildUdp(flow, { sourcePort: 53, destinationPort: sourcePort, payload: answer }));
      return;
    }
    const tcp = parseTcp(ip);
    if (!tcp.ok || (tcp.value.flags & TCP_FLAG.rst) !== 0) return;
    if (tcp.value.destinationPort !== 443) this.send(reflexTo(packet, ip.destination) ?? new Uint8Array());
    else
      this.send(
        buildTcp(flow, {
          ...tcp.value,
          sourcePort: tcp.value.destinationPort,
          destinationPort: tcp.value.sourcePort,
          acknowledgement: (tcp.value.sequence + 1) >>> 0,
          flags: TCP_FLAG.syn | TCP_FLAG.ack,
        }),
      );
  }
}

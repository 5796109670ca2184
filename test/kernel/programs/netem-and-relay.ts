import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createCommands } from '../../../src/host/exec.ts';
import { Relay } from '../../support/bad-network/relay.ts';

/*
 * In a guest, with its loopback for itself: sends datagrams to an echo and back over the kernel's netem, then over the relay under the
 * same conditions, and prints what each did to them as a line of JSON.
 */
export interface Sample {
  /** Shares of all datagrams sent. */
  readonly lost: number;
  readonly doubled: number;
  readonly overtaken: number;
  /** Round trips in milliseconds. */
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
}

const CONDITIONS = { delayMs: 60, jitterMs: 40, loss: 0.05, duplicated: 0.05 };
/** netem spreads to both sides of its delay, the relay only adds. */
const NETEM = `delay ${CONDITIONS.delayMs + CONDITIONS.jitterMs / 2}ms ${CONDITIONS.jitterMs / 2}ms loss 5% duplicate 5% limit 10000`;
const COUNT = 2_000;
const EVERY_MS = 5;
const SETTLE_MS = 1_000;
const ECHO_PORT = 7_000;
const RELAY_PORT = 7_001;

const commands = createCommands();
const echo = await bound(ECHO_PORT);
echo.on('message', (packet, from) => echo.send(packet, from.port, from.address));

await commands.run(`tc qdisc add dev lo root netem ${NETEM}`.split(' '));
const netem = await sample(ECHO_PORT);
await commands.run(['tc', 'qdisc', 'del', 'dev', 'lo', 'root']);

const target = { address: '127.0.0.1', port: ECHO_PORT };
const relay = await Relay.start({ commands, port: RELAY_PORT, target, seed: 1 });
await relay.both(CONDITIONS);
console.log(JSON.stringify({ netem, relay: await sample(RELAY_PORT) }));
await relay.stop();
echo.close();

async function sample(port: number): Promise<Sample> {
  const socket = await bound(0);
  const sentAt: number[] = [];
  const trips = new Map<number, number>();
  let doubled = 0;
  let overtaken = 0;
  let latest = -1;
  socket.on('message', (packet) => {
    const number = packet.readUInt32BE();
    if (trips.has(number)) {
      doubled += 1;
      return;
    }
    trips.set(number, performance.now() - (sentAt[number] ?? 0));
    if (number < latest) overtaken += 1;
    latest = Math.max(latest, number);
  });
  const began = performance.now();
  for (let number = 0; number < COUNT; number += 1) {
    const packet = Buffer.alloc(4);
    packet.writeUInt32BE(number);
    sentAt.push(performance.now());
    socket.send(packet, port, '127.0.0.1');
    await delay(Math.max(0, began + (number + 1) * EVERY_MS - performance.now()));
  }
  await delay(SETTLE_MS);
  socket.close();
  const sorted = [...trips.values()].sort((one, other) => one - other);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return {
    lost: 1 - trips.size / COUNT,
    doubled: doubled / COUNT,
    overtaken: overtaken / COUNT,
    p10: at(0.1),
    p50: at(0.5),
    p90: at(0.9),
  };
}

async function bound(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

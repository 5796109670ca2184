import { createSocket } from 'node:dgram';
import { type Gap, withGap } from './gaps.ts';

/*
 * Sends numbered datagrams to an echo at a steady rate until it is killed: node flood-source.ts ADDRESS PORT PER_SECOND
 * Prints `SENT LOST DECIDED SLOWEST [FROM/TO/PACKETS]...` ten times a second: datagrams so far; those of them that have had no echo for five
 * seconds; up to which number each one has either; after how many milliseconds the slowest echo since the last line came; and when those were
 * sent, in milliseconds since 1970, that are counted as lost since the last line.
 */
const [address = '', port = '0', rate = '1000'] = process.argv.slice(2);
const PATIENCE_MS = 5_000;
const TELL_MS = 100;
const TICK_MS = 2;
/** After a pause of this process it catches up without flooding queues on the way: at most so many at once. */
const BURST = 20;

const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
/** When each datagram without an echo was sent, in the order of their numbers. */
const waiting = new Map<number, number>();
let sent = 0;
let lost = 0;
let slowest = 0;

socket.on('message', (packet) => {
  const number = packet.readUInt32BE();
  slowest = Math.max(slowest, performance.now() - (waiting.get(number) ?? Number.POSITIVE_INFINITY));
  waiting.delete(number);
});
// A refusal is an answer to one datagram, which stays without an echo.
socket.on('error', () => undefined);
socket.connect(Number(port), address, () => {
  const began = performance.now();
  setInterval(() => send(performance.now() - began), TICK_MS);
  setInterval(tell, TELL_MS);
});

function send(elapsedMs: number): void {
  const due = Math.min((elapsedMs * Number(rate)) / 1000, sent + BURST);
  for (; sent < due; sent += 1) {
    const packet = Buffer.alloc(64);
    packet.writeUInt32BE(sent);
    waiting.set(sent, performance.now());
    socket.send(packet, () => undefined);
  }
}

function tell(): void {
  const now = performance.now();
  let gaps: readonly Gap[] = [];
  for (const [number, at] of waiting) {
    if (now - at < PATIENCE_MS) break;
    waiting.delete(number);
    lost += 1;
    const sentAt = Math.round(performance.timeOrigin + at);
    gaps = withGap(gaps, { from: sentAt, to: sentAt, packets: 1 });
  }
  const [first = sent] = waiting.keys();
  const words = gaps.map(({ from, to, packets }) => ` ${from}/${to}/${packets}`);
  process.stdout.write(`${sent} ${lost} ${first} ${slowest.toFixed(0)}${words.join('')}\n`);
  slowest = 0;
}

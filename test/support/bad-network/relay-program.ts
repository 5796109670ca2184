import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { EMPTY_NAT, forgotten, inbound, type NatRules, type NatTable, outbound, rebound } from './nat.ts';
import { type Conditions, Path, PERFECT } from './path.ts';

/*
 * Carries UDP between whoever sends to 127.0.0.1:PORT and ADDRESS:PORT2, as badly as it is told. It runs in the namespace of one
 * of the two, so no interface and no route is needed. It obeys a line of JSON at a time from a Unix socket, which has a path and so is
 * reached from every namespace:  {"up"?: {…}, "down"?: {…}, "nat"?: {…}, "rebind"?: true}  and answers each with its counts.
 *
 *   node relay-program.ts PORT ADDRESS PORT2 SEED SOCKET
 */
const [port = '', address = '', targetPort = '', seed = '0', control = ''] = process.argv.slice(2);
const MOST_BYTES = 4 * 1024 * 1024;

const inside = bound(createSocket({ type: 'udp4', recvBufferSize: MOST_BYTES }));
/** Of each mapping, its port outside. */
const outside = new Map<number, Socket>();
const paths = { up: new Path(Number(seed)), down: new Path(Number(seed) + 1) };
const counts = { up: 0, down: 0, deliveredUp: 0, deliveredDown: 0, mappings: 0 };
let conditions: { readonly up: Conditions; readonly down: Conditions } = { up: PERFECT, down: PERFECT };
let rules: NatRules = {};
let table: NatTable = EMPTY_NAT;

inside.on('message', (packet, from) => {
  counts.up += 1;
  const sent = outbound(table, `${from.address}:${from.port}`, performance.now(), rules);
  table = sent.table;
  const socket = outside.get(sent.id) ?? openOutside(sent.id);
  carry('up', packet, (delivered) => {
    counts.deliveredUp += 1;
    socket.send(delivered, Number(targetPort), address, ignoreClosed);
  });
});

inside.bind(Number(port), '127.0.0.1', () => {
  const server = createServer((connection) => {
    createInterface({ input: connection }).on('line', (line) => connection.write(`${JSON.stringify(obey(line))}\n`));
  });
  server.listen(control, () => console.log('ready'));
});

function obey(line: string): object {
  const order = JSON.parse(line) as {
    readonly up?: Partial<Conditions>;
    readonly down?: Partial<Conditions>;
    readonly nat?: NatRules;
    readonly rebind?: boolean;
  };
  conditions = { up: { ...conditions.up, ...order.up }, down: { ...conditions.down, ...order.down } };
  rules = order.nat ?? rules;
  if (order.rebind === true) table = rebound(table);
  return { ...counts, remembered: forgotten(table, performance.now(), rules).mappings.length };
}

function openOutside(id: number): Socket {
  const socket = bound(createSocket({ type: 'udp4', recvBufferSize: MOST_BYTES }));
  outside.set(id, socket);
  counts.mappings += 1;
  socket.on('message', (packet) => {
    counts.down += 1;
    const received = inbound(table, id, performance.now(), rules);
    table = received.table;
    const [host = '', to = ''] = received.inside?.split(':') ?? [];
    if (host === '') return;
    carry('down', packet, (delivered) => {
      counts.deliveredDown += 1;
      inside.send(delivered, Number(to), host, ignoreClosed);
    });
  });
  return socket;
}

function carry(direction: 'up' | 'down', packet: Uint8Array, deliver: (packet: Uint8Array) => void): void {
  const now = performance.now();
  for (const delivery of paths[direction].cross(packet, now, conditions[direction])) {
    if (delivery.at <= now) deliver(delivery.packet);
    else setTimeout(() => deliver(delivery.packet), delivery.at - now);
  }
}

/** A refused datagram (nobody listens yet) is a lost one. */
function bound(socket: Socket): Socket {
  return socket.on('error', (error) => console.error(`relay: ${error.message}`));
}

function ignoreClosed(error: Error | null): void {
  if (error !== null) console.error(`relay: not sent: ${error.message}`);
}

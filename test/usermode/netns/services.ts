import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A program for the gateway's namespace: a DNS server and a TCP listener on the addresses given as arguments. How a
 * name is answered is written in the name. Prints one line once it listens.
 */
const [dnsAddress = '', tcpAddress = '', tcpPort = '443'] = process.argv.slice(2);

const RCODES: Readonly<Record<string, number>> = { servfail: 2, nxdomain: 3, refused: 5 };
const ADDRESSES: Readonly<Record<number, readonly number[]>> = {
  1: [192, 0, 2, 1],
  28: [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
};

function answerTo(query: Buffer): Buffer | undefined {
  const end = query.indexOf(0, 12) + 5;
  const first = query.subarray(13, 13 + query.readUInt8(12)).toString('latin1');
  if (first === 'silent') return undefined;
  const rcode = RCODES[first] ?? 0;
  const address = ADDRESSES[query.readUInt16BE(end - 4)] ?? [];
  const hasRecord = rcode === 0 && first !== 'nodata';
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180 | rcode, 2);
  header.writeUInt16BE(hasRecord ? 1 : 0, 6);
  const record = Buffer.concat([
    Buffer.from([0xc0, 0x0c]),
    query.subarray(end - 4, end),
    Buffer.from([0, 0, 0, 30, 0, address.length, ...address]),
  ]);
  return Buffer.concat([header, query.subarray(12, end), ...(hasRecord ? [record] : [])]);
}

const dns = createSocket(dnsAddress.includes(':') ? 'udp6' : 'udp4');
dns.on('message', (query, client) => {
  const answer = answerTo(query);
  if (answer !== undefined) dns.send(answer, client.port, client.address);
});
dns.bind(53, dnsAddress);
await once(dns, 'listening');
const tcp = createServer((socket) => socket.end());
tcp.listen(Number(tcpPort), tcpAddress);
await once(tcp, 'listening');
process.stdout.write('listening\n');

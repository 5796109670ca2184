import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { DnsReached, Reached } from '../../laptop/doctor/findings.ts';
import { addressFamily, addressFromValue, type IpAddress } from '../../net/address.ts';
import { buildQuery, parseAnswer, type RecordType } from '../../usermode/dns.ts';
import { codeOf } from './looked.ts';

export const PATIENCE_MS = 1_500;
const DNS_PORT = 53;
/** A question that got lost is asked again once. */
const AGAIN_MS = 600;

/** Opens a TCP connection and closes it. */
export function reachByTcp(address: IpAddress, port: number, patienceMs = PATIENCE_MS): Promise<Reached> {
  const began = performance.now();
  const { promise, resolve } = Promise.withResolvers<Reached>();
  const socket = connect({ host: address, port });
  socket.setTimeout(patienceMs, () => resolve({ kind: 'silent' }));
  socket.once('connect', () => resolve({ kind: 'connected', ms: performance.now() - began }));
  socket.on('error', (error) => resolve(failure(codeOf(error))));
  return promise.finally(() => socket.destroy());
}

/** Asks a DNS server for the addresses of a name, from a socket of its own. */
export function askDns(server: IpAddress, name: string, id: number, port = DNS_PORT): Promise<DnsReached> {
  const type: RecordType = addressFamily(server) === 4 ? 'A' : 'AAAA';
  const question = { id, name, type };
  const query = buildQuery(question);
  if (!query.ok) throw new Error(query.problem);
  const { promise, resolve } = Promise.withResolvers<DnsReached>();
  const socket = createSocket(addressFamily(server) === 4 ? 'udp4' : 'udp6');
  // Connected, the socket is told when nothing listens there.
  socket.on('error', (error) => resolve(failure(codeOf(error))));
  const send = () => socket.send(query.value, (error) => error && resolve(failure(codeOf(error))));
  socket.on('message', (message) => {
    const answer = parseAnswer(Uint8Array.from(message), question);
    if (answer.ok)
      resolve({ kind: 'answered', rcode: answer.value.rcode, addresses: answer.value.addresses.map(addressIn) });
  });
  socket.once('connect', send);
  socket.connect(port, server);
  const again = setTimeout(send, AGAIN_MS);
  const end = setTimeout(() => resolve({ kind: 'silent' }), PATIENCE_MS);
  return promise.finally(() => {
    clearTimeout(again);
    clearTimeout(end);
    socket.close();
  });
}

function addressIn(bytes: Uint8Array): IpAddress {
  return addressFromValue(bytes.length === 4 ? 4 : 6, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

function failure(code: string): Exclude<Reached, { readonly kind: 'connected' }> {
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET') return { kind: 'refused' };
  return code === 'ETIMEDOUT' ? { kind: 'silent' } : { kind: 'unreachable', code };
}

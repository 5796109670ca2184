import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Question } from '../../laptop/full/full-tunnel.ts';
import { parseResolvConf } from '../../laptop/names/resolv-conf.ts';
import { addressesIn, addressFamily, addressFromValue, type IpAddress } from '../../net/address.ts';
import { buildQuery, parseAnswer, type RecordType } from '../../usermode/dns.ts';
import type { NamePaths } from '../names/paths.ts';
import { readResolv } from '../names/resolv-file.ts';
import { type Lookup, lookupHere } from './endpoint-names.ts';

const PORT = 53;
const PATIENCE_MS = 2_000;

export interface OutsideLookupOptions {
  readonly paths: NamePaths;
  /** Those inside the tunnel. */
  readonly isInside: (server: IpAddress) => boolean;
  /** Lets the question out for as long as the work takes. */
  readonly whileAsking: <T>(question: Question, work: () => Promise<T>) => Promise<T>;
}

/**
 * How the names of endpoints are looked up under a full tunnel: the machine's own resolver asks through the tunnel, which may be the one that
 * is dead; so the servers that the machine had before are asked as well, directly, for these names alone. The first answer counts.
 */
export function outsideLookup(options: OutsideLookupOptions): Lookup {
  return (host) => Promise.any([lookupHere(host), askOutside(host, options)]);
}

/** @throws when none of the former servers has the name */
async function askOutside(host: string, options: OutsideLookupOptions): Promise<readonly IpAddress[]> {
  const servers = (await formerServers(options.paths)).filter((server) => !options.isInside(server));
  if (servers.length === 0) throw new Error('this machine had no DNS server of its own');
  return Promise.any(servers.map((server) => askServer(host, server, options)));
}

/** Those of other links where systemd-resolved knows them, else those that stood in resolv.conf; not this machine itself, which would ask through the tunnel. */
async function formerServers(paths: NamePaths): Promise<readonly IpAddress[]> {
  const file = join(paths.run, 'systemd/resolve/resolv.conf');
  const uplinks = await readFile(file, 'utf8').catch(() => undefined);
  const { nameservers } = parseResolvConf(uplinks ?? (await readResolv(paths)).formerText);
  return addressesIn(nameservers).filter((server) => !/^127\.|^::1$/.test(server));
}

async function askServer(
  host: string,
  server: IpAddress,
  options: OutsideLookupOptions,
): Promise<readonly IpAddress[]> {
  const found = await Promise.allSettled((['A', 'AAAA'] as const).map((type) => ask(host, type, server, options)));
  const addresses = found.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  if (addresses.length === 0) throw new Error(`${server} has no address of ${host}`);
  return addresses;
}

async function ask(
  host: string,
  type: RecordType,
  server: IpAddress,
  { whileAsking }: OutsideLookupOptions,
): Promise<readonly IpAddress[]> {
  const question = { id: randomInt(0x10000), name: host, type };
  const query = buildQuery(question);
  if (!query.ok) throw new Error(query.problem);
  const socket = createSocket(addressFamily(server) === 4 ? 'udp4' : 'udp6');
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = Promise.withResolvers<readonly IpAddress[]>();
  answer.promise.catch(() => undefined);
  signal.addEventListener('abort', () => answer.reject(signal.reason));
  socket.on('error', answer.reject).on('message', (message, { address, port }) => {
    if (address !== server || port !== PORT) return;
    const read = parseAnswer(Uint8Array.from(message), question);
    if (read.ok) answer.resolve(read.value.addresses.map(addressOf));
  });
  try {
    // The port is known before anything is sent, so that the firewall can be opened for this question alone.
    socket.bind(0);
    await once(socket, 'listening', { signal });
    const send = () => socket.send(query.value, PORT, server, (error) => error && answer.reject(error));
    return await whileAsking({ server, port: socket.address().port }, () => {
      send();
      return answer.promise;
    });
  } finally {
    socket.close();
  }
}

function addressOf(bytes: Uint8Array): IpAddress {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return addressFromValue(bytes.length === 4 ? 4 : 6, value);
}

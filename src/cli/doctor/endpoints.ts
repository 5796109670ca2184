import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Commands } from '../../host/exec.ts';
import type { EndpointFinding } from '../../laptop/doctor/findings.ts';
import type { ClientConfiguration, ClientGateway } from '../../mesh/client-configuration.ts';
import { addressFamily, type IpAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { PresharedKey, PrivateKey } from '../../net/key.ts';
import type { RaceEndpoint } from '../../usermode/race.ts';
import { race } from '../../usermode/race-socket.ts';
import type { TunnelClock } from '../../usermode/udp-tunnel.ts';
import { codeOf } from './looked.ts';
import { wayTo } from './machine.ts';
import { askSystemResolver } from './system-resolver.ts';

export interface Dialling {
  readonly commands: Commands;
  readonly privateKey: PrivateKey;
  readonly presharedKey: PresharedKey | undefined;
  readonly clock: TunnelClock;
  readonly randomBytes: (length: number) => Uint8Array;
}

type Outcome = EndpointFinding['outcome'];

/** Of each gateway; the others are as good or as bad. */
const MOST_ENDPOINTS = 8;
/**
 * Two endpoints may lead to one node, which takes no two initiations within 20 ms, nor of one timestamp (race.ts); so they begin one after the
 * other, and repeat every 400 ms.
 */
const STEP_MS = 50;
const REFUSAL_MS = 700;

/**
 * Dials every endpoint of the gateways from sockets of its own, with the device's key: a handshake that is answered proves that UDP gets there and
 * back, and that the gateway takes the key. No session comes of it.
 */
export async function dialEndpoints(
  { gateways }: Pick<ClientConfiguration, 'gateways'>,
  dialling: Dialling,
): Promise<readonly EndpointFinding[]> {
  const all = gateways.flatMap((gateway) =>
    gateway.endpoints.slice(0, MOST_ENDPOINTS).map((endpoint) => ({ gateway, endpoint })),
  );
  return Promise.all(all.map(({ gateway, endpoint }, place) => dial(gateway, endpoint, place * STEP_MS, dialling)));
}

async function dial(
  gateway: ClientGateway,
  endpoint: Endpoint,
  waitMs: number,
  dialling: Dialling,
): Promise<EndpointFinding> {
  const common = { gateway: gateway.name, endpoint };
  const at = endpoint.lastIndexOf(':');
  const host = endpoint.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  const found = isIP(host) === 0 ? await askSystemResolver(dialling.commands, host) : undefined;
  if (found?.kind === 'not-found')
    return { ...common, address: undefined, outcome: { kind: 'unresolved', code: found.code } };
  const address = found === undefined ? (host as IpAddress) : found.addresses[0];
  if (address === undefined) return { ...common, address, outcome: { kind: 'unresolved', code: 'ENODATA' } };
  const target = { address, port: Number(endpoint.slice(at + 1)) };
  await delay(waitMs);
  const [outcome, device] = await Promise.all([
    outcomeAt(gateway, target, dialling),
    wayTo(dialling.commands, address, target.port).catch(() => undefined),
  ]);
  return { ...common, address, device, outcome };
}

async function outcomeAt(gateway: ClientGateway, target: RaceEndpoint, dialling: Dialling): Promise<Outcome> {
  const { privateKey, presharedKey, clock, randomBytes } = dialling;
  const [winner, refusal] = await Promise.all([
    race({ privateKey, presharedKey, peerPublicKey: gateway.publicKey, endpoints: [target], clock, randomBytes }),
    refusalAt(target),
  ]);
  return winner === undefined ? (refusal ?? { kind: 'silent' }) : { kind: 'answered', rttMs: winner.rttMs };
}

/** Whether somebody says that a datagram does not get there: this machine's firewall or routes, or the host. WireGuard itself drops it without a word. */
async function refusalAt({ address, port }: RaceEndpoint): Promise<Outcome | undefined> {
  const { promise, resolve } = Promise.withResolvers<Outcome | undefined>();
  const socket = createSocket(addressFamily(address) === 4 ? 'udp4' : 'udp6');
  const failed = (error: Error | null) => error && resolve(outcomeOf(codeOf(error)));
  socket.on('error', failed);
  socket.once('connect', () => socket.send(Uint8Array.of(0), failed));
  socket.connect(port, address);
  const timer = setTimeout(() => resolve(undefined), REFUSAL_MS);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

function outcomeOf(code: string): Outcome {
  if (code === 'ECONNREFUSED') return { kind: 'refused' };
  return code === 'EPERM' || code === 'EACCES' ? { kind: 'blocked' } : { kind: 'unreachable', code };
}

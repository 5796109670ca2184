import { setTimeout as delay } from 'node:timers/promises';
import type { Profile } from '../../laptop/profile.ts';
import { ago } from '../../net/duration.ts';
import { print, styled } from '../output.ts';
import type { Profiles } from '../profiles/profiles.ts';
import type { GatewayStatus, TunnelStatus } from '../supervisor/status.ts';
import { askSupervisor } from '../supervisor/status-socket.ts';
import { aligned } from '../table.ts';

export interface StatusOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
  /** Undefined: all. */
  readonly profile: string | undefined;
  readonly output: 'text' | 'json';
}

/** What is known of one profile now; `tunnel` is undefined while it is down. */
interface Standing {
  readonly profile: Profile;
  readonly tunnel: TunnelStatus | undefined;
  /** Whether a change of its key has begun and not come to its end. */
  readonly isRotating: boolean;
}

const WATCH_MS = 1_000;

/** Prints how the tunnels are. Exit status: 0 when each is up and its path works, 3 when one is not. */
export async function status(options: StatusOptions, now: () => number): Promise<number> {
  const found = await look(options);
  print(options.output === 'json' ? JSON.stringify(found.map(asJson), undefined, 2) : text(found, now()));
  return found.every(({ tunnel }) => tunnel !== undefined && isOnline(tunnel)) ? 0 : 3;
}

/** Prints it again whenever a second has passed, until the signal. */
export async function watchStatus(options: StatusOptions, now: () => number, signal: AbortSignal): Promise<void> {
  const clear = process.stdout.isTTY === true ? '\u001b[H\u001b[2J' : '';
  while (!signal.aborted) {
    print(`${clear}${text(await look(options), now())}`);
    await delay(WATCH_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function look({ profiles, runFolder, profile }: StatusOptions): Promise<readonly Standing[]> {
  const names = profile === undefined ? profiles.names() : [profile];
  return Promise.all(
    names.map(async (name) => ({
      profile: profiles.profile(name),
      tunnel: await askSupervisor(runFolder, name),
      isRotating: profiles.isRotating(name),
    })),
  );
}

function text(found: readonly Standing[], now: number): string {
  if (found.length === 0)
    return 'This device has joined no cluster yet; join the one of your kubeconfig with: sallyport join';
  return found.map((standing) => oneText(standing, now)).join('\n\n');
}

function oneText({ profile, tunnel, isRotating }: Standing, now: number): string {
  const head = `${styled('bold', profile.name)}  ${word(tunnel)}  ${profile.namespace}/${profile.peer}`;
  const expires = profile.expiresAt === undefined ? [] : [`  expires in ${ago(Date.parse(profile.expiresAt) - now)}`];
  const rotating = `  a change of its key has not come to its end; go on with: sallyport rotate ${profile.name}`;
  const also = [...expires, ...(isRotating ? [rotating] : [])];
  if (tunnel === undefined) return [head, ...also, `  bring it up with: sallyport up ${profile.name}`].join('\n');
  const rows = tunnel.gateways.map((gateway) => gatewayRow(gateway, now));
  return [
    `${head}  ${tunnel.addresses.join(', ')}  up for ${ago(now - Date.parse(tunnel.since))}`,
    ...also,
    aligned([['gateway', 'path', 'endpoint', 'handshake', 'rtt', 'received', 'sent'], ...rows], '  '),
    `  leads to ${tunnel.routes.join(', ')}${tunnel.full === true ? ', and everything else: nothing goes beside it' : ''}`,
    `  names: ${tunnel.names ?? 'not set up'}`,
    ...tunnel.notices.map(({ at, text: notice }) => `  ${ago(now - Date.parse(at))} ago: ${notice}`),
  ].join('\n');
}

function gatewayRow(gateway: GatewayStatus, now: number): readonly string[] {
  const { name, path, endpoint = 'none', latestHandshake, rttMs, receivedBytes, sentBytes } = gateway;
  return [
    name,
    path,
    endpoint,
    latestHandshake === undefined ? 'never' : `${ago(now - Date.parse(latestHandshake))} ago`,
    rttMs === undefined ? '-' : `${rttMs.toFixed(1)} ms`,
    bytes(receivedBytes),
    bytes(sentBytes),
  ];
}

function word(tunnel: TunnelStatus | undefined): string {
  if (tunnel === undefined) return styled('dim', 'down');
  if (!isOnline(tunnel)) return styled('red', 'no answer');
  const isProven = tunnel.gateways.every(({ path }) => path === 'online');
  return isProven ? styled('green', 'up') : styled('yellow', 'up, unproven');
}

function isOnline({ gateways }: TunnelStatus): boolean {
  return gateways.every(({ path }) => path !== 'offline');
}

function asJson({ profile, tunnel, isRotating }: Standing): object {
  const state = tunnel === undefined ? 'down' : isOnline(tunnel) ? 'up' : 'offline';
  return { ...profile, state, ...(isRotating ? { isRotating } : {}), tunnel };
}

function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, count === 0 ? 0 : Math.floor(Math.log2(count) / 10));
  return power === 0 ? `${count} B` : `${(count / 1024 ** power).toFixed(1)} ${units[power]}`;
}

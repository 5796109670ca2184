import { setTimeout as delay } from 'node:timers/promises';
import type { ObservedDevice, ObservedPeer } from '../dataplane/wireguard/device.ts';
import type { PublicKey } from '../net/key.ts';
import type { OnDrift } from './drift.ts';
import type { WireGuard } from './wireguard.ts';

type Served = Pick<ObservedDevice, 'publicKey' | 'listenPort' | 'peers'>;

/** Where looks take long, at most one part in so many of the time goes into them; but they never become rarer than `RARELY`. */
const SHARE = 100;
const RARELY = 5;

/**
 * WireGuard announces no change of its peers, key or port, so they are looked at every `everyMs`, or up to five times less
 * often where a look takes long. What we changed ourselves since the last look is not reported.
 */
export async function watchPeers(
  wireguard: Pick<WireGuard, 'dump' | 'onTouch'>,
  device: string,
  everyMs: number,
  signal: AbortSignal,
  onDrift: OnDrift,
): Promise<void> {
  let touched = new Set<PublicKey>();
  wireguard.onTouch((key) => touched.add(key), signal);
  let before: Served | undefined;
  while (!signal.aborted) {
    const mine = touched;
    touched = new Set();
    const started = performance.now();
    const now = await wireguard.dump(device).catch(() => undefined);
    const pause = Math.min(Math.max(everyMs, SHARE * (performance.now() - started)), RARELY * everyMs);
    const what = servedDrift(before, now, new Set([...mine, ...touched]));
    if (what !== undefined && !signal.aborted) onDrift(`${what} of ${device} changed`);
    before = now;
    await delay(pause, undefined, { signal }).catch(() => undefined);
  }
}

/** What differs between two looks at a device, apart from the peers with these keys; undefined when nothing does. */
export function servedDrift(
  before: Served | undefined,
  now: Served | undefined,
  touched: ReadonlySet<PublicKey>,
): string | undefined {
  if (before === undefined || now === undefined) return undefined;
  if (before.publicKey !== now.publicKey || before.listenPort !== now.listenPort) return 'the key or the port';
  const keys = new Set([...before.peers.keys(), ...now.peers.keys()]);
  for (const key of keys)
    if (!touched.has(key) && !samePeer(before.peers.get(key), now.peers.get(key))) return 'the peers';
  return undefined;
}

function samePeer(one: ObservedPeer | undefined, other: ObservedPeer | undefined): boolean {
  return one?.allowedIPs.join() === other?.allowedIPs.join() && one?.presharedKey === other?.presharedKey;
}

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { gatewayAddresses } from '../../laptop/tunnel.ts';
import { type ClientConfiguration, CONFIGURATION_PORT } from '../../mesh/client-configuration.ts';
import { addressFamily } from '../../net/address.ts';
import type { PrivateKey, PublicKey } from '../../net/key.ts';
import { systemClock } from '../../runtime/clock.ts';
import { UserError } from '../output.ts';
import { checkPath } from '../path/check-path.ts';
import { lookupHere } from '../path/endpoint-names.ts';
import { raceAll } from '../path/race-all.ts';
import type { JoinedProfile, Profiles } from '../profiles/profiles.ts';
import type { TunnelStatus } from './status.ts';
import { askSupervisor } from './status-socket.ts';

/** The tunnel whose key is changed. */
export interface KeySwitch {
  readonly profiles: Profiles;
  readonly joined: JoinedProfile;
  readonly runFolder: string;
}

const MACHINE = { clock: systemClock, randomBytes, lookup: lookupHere };
const POLL_MS = 20;
/** For the supervisor to load a key, which takes some tens of milliseconds. */
const LOAD_MS = 10_000;
/** A session that did not begin at once is begun anew after 5 s (WireGuard's REKEY_TIMEOUT), and data without an answer ask for one after 15 s. */
const PROOF_MS = 20_000;
const CHECK_MS = 1_000;
/** A node tells handshakes by the second, and of two in the same one not the later. */
const APART_MS = 2_000;

/** A tunnel, as far as changing its key goes. */
export interface KeyedTunnel {
  /** What holds it: nothing, our supervisor, which loads the profile's key whenever that changes, or on other systems programs that nobody can ask. */
  readonly held: 'down' | 'up' | 'elsewhere';
  /**
   * Makes sure that gateways answer this device by a key that the tunnel does not have yet: a handshake beside the tunnel, which changes nothing on
   * either side. @throws {UserError} when none does
   */
  proveAnswered(keys: { readonly present: PrivateKey; readonly next: PrivateKey }): Promise<void>;
  /** Waits until the last handshake of the tunnel is so long ago that a node can tell the next one from it. */
  untilApart(): Promise<void>;
  /** Whether the interface has come to have the key, and a connection through it proves that the gateway sends there what is for this device. */
  proves(key: PublicKey): Promise<boolean>;
}

/** The profile's tunnel on this machine. @throws {UserError} when an interface is there that nobody would give another key */
export async function findTunnel(of: KeySwitch): Promise<KeyedTunnel> {
  return {
    held: await holderOf(of),
    proveAnswered: (keys) => proveAnswered(of, keys),
    untilApart: () => untilApart(of),
    proves: (key) => proves(of, key),
  };
}

async function holderOf({ joined, runFolder }: KeySwitch): Promise<KeyedTunnel['held']> {
  if (process.platform !== 'linux') return 'elsewhere';
  const { name, device } = joined.profile;
  if ((await askSupervisor(runFolder, name)) !== undefined) return 'up';
  if (!existsSync(`/sys/class/net/${device}`)) return 'down';
  throw new UserError(
    `the tunnel of ${name} has lost its supervisor, which would change its key; give it one: sallyport up ${name}`,
  );
}

async function proveAnswered(
  { profiles, joined }: KeySwitch,
  keys: { readonly present: PrivateKey; readonly next: PrivateKey },
): Promise<void> {
  const { name } = joined.profile;
  const answers = async (privateKey: PrivateKey) =>
    (await raceAll(joined.configuration, { ...profiles.keys(name), privateKey }, MACHINE)).size > 0;
  if (await answers(keys.next)) return;
  throw new UserError(
    (await answers(keys.present))
      ? `the gateway answers the other key of ${name} and not the next one, so both stay let in; repeat: sallyport rotate ${name}`
      : `no gateway answers this device now, so nobody can say whether it would answer the next key; find out why with: sallyport doctor ${name}`,
  );
}

async function proves({ joined, runFolder }: KeySwitch, key: PublicKey): Promise<boolean> {
  const { name } = joined.profile;
  const loadedUntil = performance.now() + LOAD_MS;
  while ((await askSupervisor(runFolder, name))?.publicKey !== key) {
    if (performance.now() > loadedUntil) return false;
    await delay(POLL_MS);
  }
  const until = performance.now() + PROOF_MS;
  // The interface has no other key any more, so what comes through it was let through by this one.
  while (performance.now() < until) if (await comesThrough(joined.configuration)) return true;
  return false;
}

async function comesThrough(configuration: ClientConfiguration): Promise<boolean> {
  const checks = gatewayAddresses(configuration).flatMap((to) => {
    const from = configuration.addresses.find((address) => addressFamily(address) === addressFamily(to));
    return from === undefined ? [] : [{ from, to, port: CONFIGURATION_PORT, timeoutMs: CHECK_MS }];
  });
  if (checks.length === 0) {
    await delay(CHECK_MS);
    return false;
  }
  const answers = await Promise.all(checks.map((check) => checkPath(check, { clock: systemClock })));
  return answers.some((answer) => answer !== undefined);
}

async function untilApart({ joined, runFolder }: KeySwitch): Promise<void> {
  const status = await askSupervisor(runFolder, joined.profile.name);
  const wait = latestHandshake(status) + APART_MS - Date.now();
  if (wait > 0) await delay(Math.min(wait, APART_MS));
}

function latestHandshake(status: TunnelStatus | undefined): number {
  return Math.max(0, ...(status?.gateways ?? []).map(({ latestHandshake = '' }) => Date.parse(latestHandshake) || 0));
}

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Client } from '../../k8s/client.ts';
import type { PrivateKey } from '../../net/key.ts';
import { keyPairFrom, publicKeyOf } from '../../net/key-pair.ts';
import { type ClusterOptions, connect } from '../cluster/connect.ts';
import {
  endKeyChange,
  type KeyChange,
  keyChangeStage,
  mayChange,
  offerKey,
  untilNextKeyLetIn,
} from '../cluster/key-change.ts';
import { untilReady } from '../cluster/peer.ts';
import { refusal } from '../cluster/refusal.ts';
import { type Lock, lockPath, takeLock } from '../lock.ts';
import { tell, UserError } from '../output.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { type Say, step } from '../progress.ts';
import { findTunnel, type KeyedTunnel, type KeySwitch } from '../supervisor/key-switch.ts';

export interface RotateOptions extends ClusterOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
  /** Finds the tunnel whose key is changed; that of this machine unless given. */
  readonly tunnelOf?: ((of: KeySwitch) => Promise<KeyedTunnel>) | undefined;
}

/** Both keys of a change: `from` was the device's before, `to` will be. Before the switch the profile's key is `from`, and afterwards `to`. */
interface Keys {
  readonly from: PrivateKey;
  readonly to: PrivateKey;
  readonly isSwitched: boolean;
}

/**
 * Gives the device another key; its address, its MeshPeer and its connections stay. The gateways let both keys in before the device changes, and
 * shut the former out after the next has proved good; so at every moment the profile's key is one that they let in. Whatever breaks off in between
 * can be repeated, and goes on where it was.
 */
export async function rotate(name: string, options: RotateOptions): Promise<number> {
  const lock = await lockOf(name, options.profiles);
  try {
    return await rotateAlone(name, options);
  } finally {
    await lock?.release();
  }
}

/** Two at once would take each other's keys for their own. @throws {UserError} while another one runs */
async function lockOf(name: string, { folder }: Profiles): Promise<Lock | undefined> {
  if (process.platform !== 'linux') return undefined;
  const lock = await takeLock(lockPath('rotate', join(folder, name)));
  if (lock === undefined)
    throw new UserError(`another sallyport is changing the key of ${name} at this moment; wait until it has ended`);
  return lock;
}

async function rotateAlone(name: string, options: RotateOptions): Promise<number> {
  const { profiles, runFolder, tunnelOf = findTunnel, ...given } = options;
  const joined = profiles.read(name);
  const { namespace, peer, server, context } = joined.profile;
  const tunnel = await tunnelOf({ profiles, joined, runFolder });
  try {
    const { client } = await connect({ context, ...given });
    const found = await keysOf(profiles, name, (keys) => keyChangeStage(client, changeOf(keys, namespace, peer)));
    const rotation = { client, change: changeOf(found, namespace, peer), keys: found, profiles, tunnel };
    const text = `Giving ${namespace}/${peer} another key`;
    return await step(text, (say) => carryOut(name, { ...rotation, say }));
  } catch (error) {
    throw refusal(error, { server, namespace, act: 'change MeshPeers' });
  }
}

interface Rotation {
  readonly client: Client;
  readonly change: KeyChange;
  readonly keys: Keys;
  readonly profiles: Profiles;
  readonly tunnel: KeyedTunnel;
  readonly say: Say;
}

async function carryOut(name: string, rotation: Rotation): Promise<number> {
  const { client, change, keys, profiles, tunnel, say } = rotation;
  const { namespace, name: peer, to } = change;
  await mayChange(client, change);
  // Before the cluster hears of it, and after it is known that it would hear.
  if (!keys.isSwitched) profiles.writeNextPrivateKey(name, keys.to);
  await offerKey(client, change);
  await untilNextKeyLetIn(client, change, say);
  say('Changing to the next key');
  if (keys.isSwitched) await proveSwitched(name, tunnel, keys);
  else await switched(name, rotation);
  if (tunnel.held === 'elsewhere' && !keys.isSwitched) {
    tell(
      `${namespace}/${peer} is let in with both keys; take the tunnel down and up again, then: sallyport rotate ${name}`,
    );
    return 0;
  }
  say('Shutting the former key out');
  await endKeyChange(client, change);
  profiles.endRotation(name);
  await untilReady(client, { namespace, name: peer, publicKey: to }, say);
  tell(`${namespace}/${peer} has the key ${to} now${tunnel.held === 'up' ? ', and the tunnel goes on with it' : ''}`);
  return 0;
}

/** The next key is the profile's, and the tunnel's where that can be changed. @throws {UserError} when it did not prove good, and the former one is again */
async function switched(name: string, { change: { from, to }, keys, profiles, tunnel }: Rotation): Promise<void> {
  await tunnel.proveAnswered({ present: keys.from, next: keys.to });
  if (tunnel.held === 'up') await tunnel.untilApart();
  profiles.takeNextPrivateKey(name);
  if (tunnel.held !== 'up' || (await tunnel.proves(to))) return;
  profiles.takeFormerPrivateKey(name);
  const works = await tunnel.proves(from);
  throw new UserError(
    `nothing comes through the tunnel with the next key, so the device is back at the former one, ${works ? 'which works' : 'with which nothing comes through either'}; see sallyport doctor ${name}, and repeat: sallyport rotate ${name}`,
  );
}

/** The device changed before this was broken off. @throws {UserError} when it is not seen to work */
async function proveSwitched(name: string, tunnel: KeyedTunnel, { from, to }: Keys): Promise<void> {
  if (tunnel.held !== 'up') return tunnel.proveAnswered({ present: from, next: to });
  if (await tunnel.proves(publicKeyOf(to))) return;
  throw new UserError(
    `nothing comes through the tunnel at the moment, so both keys stay let in; see sallyport doctor ${name}, and repeat: sallyport rotate ${name}`,
  );
}

/** The keys of the change that was begun before, or of one that begins now; where the cluster has taken it back, the former key is the key again. */
async function keysOf(
  profiles: Profiles,
  name: string,
  stageOf: (keys: Keys) => ReturnType<typeof keyChangeStage>,
): Promise<Keys> {
  const former = profiles.formerPrivateKey(name);
  if (former !== undefined) {
    const keys = { from: former, to: profiles.keys(name).privateKey, isSwitched: true };
    const stage = await stageOf(keys);
    if (stage === 'offered' || stage === 'ended') return keys;
    profiles.takeFormerPrivateKey(name);
  }
  const { privateKey } = profiles.keys(name);
  return { from: privateKey, to: profiles.nextPrivateKey(name) ?? newKey(), isSwitched: false };
}

function changeOf({ from, to }: Keys, namespace: string, name: string): KeyChange {
  return { namespace, name, from: publicKeyOf(from), to: publicKeyOf(to) };
}

function newKey(): PrivateKey {
  return keyPairFrom(randomBytes(32)).privateKey;
}

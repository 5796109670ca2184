import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { problemOf } from '../../laptop/acceptable.ts';
import { deviceFor, nameFrom, type Profile, profileName } from '../../laptop/profile.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { parseWgQuick } from '../../mesh/wg-quick.ts';
import { parseDuration } from '../../net/duration.ts';
import type { PrivateKey } from '../../net/key.ts';
import { keyPairFrom, publicKeyOf } from '../../net/key-pair.ts';
import { type ClusterOptions, type ConnectedCluster, connect } from '../cluster/connect.ts';
import { applyPeer, untilReady, type Wish } from '../cluster/peer.ts';
import { refusal } from '../cluster/refusal.ts';
import { tell, UserError } from '../output.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { step } from '../progress.ts';
import { readPresharedKey } from './config.ts';

export interface JoinOptions extends ClusterOptions {
  readonly gateway?: readonly string[] | undefined;
  readonly namespace?: string | undefined;
  /** Of the MeshPeer; made of user and host unless given. */
  readonly name?: string | undefined;
  readonly profile?: string | undefined;
  readonly expires?: string | undefined;
  readonly owner?: string | undefined;
  /** The file of the preshared key, for a MeshPeer that has one. */
  readonly presharedKey?: string | undefined;
  readonly ephemeral?: boolean | undefined;
}

/** An ephemeral device that nobody removes is shut out after this long. */
const EPHEMERAL = '1h';

/**
 * Makes this device a MeshPeer of the cluster and stores what it needs to know from then on. Run twice it finds what it did before.
 * Returns the profile's name. @throws {UserError} for each refusal, with its remedy
 */
export async function join(options: JoinOptions, profiles: Profiles, now: Date): Promise<string> {
  const expiresAt = expiry(options, now);
  const presharedKey = options.presharedKey === undefined ? undefined : readPresharedKey(options.presharedKey);
  const { cluster, asked } = await connected(options);
  const name = nameOf(options, cluster);
  const before = profiles.names().includes(name) ? profiles.read(name).profile : undefined;
  const peer = options.name ?? before?.peer ?? deviceName();
  const namespace = options.namespace ?? before?.namespace ?? cluster.namespace;
  if (before !== undefined) sameOrThrow(before, { server: cluster.server, namespace, peer });
  wholeOrThrow(profiles, name);
  const publicKey = publicKeyOf(keptKey(profiles, name));
  try {
    const wish = { namespace, name: peer, publicKey, gateways: options.gateway, expiresAt, owner: options.owner };
    const { config, applied } = await letIn(cluster, wish);
    const configuration = takenConfiguration(config);
    if (presharedKey !== undefined) profiles.writePresharedKey(name, presharedKey);
    if (configuration.hasPresharedKey && profiles.presharedKeyFile(name) === undefined)
      throw new UserError(`${namespace}/${peer} has a preshared key; name the file that holds it with --preshared-key`);
    const { context } = cluster;
    const profile: Profile = {
      ...{ version: 1 as const, name, namespace, peer, server: cluster.server },
      device: before?.device ?? deviceFor(name, devicesOf(profiles)),
      ...(context === undefined ? {} : { context }),
      ...(applied.spec.expiresAt === undefined ? {} : { expiresAt: applied.spec.expiresAt }),
      joinedAt: before?.joinedAt ?? now.toISOString(),
    };
    profiles.write({ profile, configuration });
    return name;
  } catch (error) {
    throw refusal(error, { ...asked, namespace });
  }
}

async function letIn(cluster: ConnectedCluster, wish: Wish) {
  const { client, server } = cluster;
  const text = `Asking ${new URL(server).host} to let ${wish.namespace}/${wish.name} in`;
  return step(text, async (say) => {
    const applied = await applyPeer(cluster, wish);
    const { config, but } = await untilReady(client, wish, say);
    if (but !== undefined) tell(`Going on, though ${but}`);
    return { config, applied };
  });
}

/** The configuration as this device may act on it. @throws {UserError} */
function takenConfiguration(text: string): ClientConfiguration {
  const configuration = parseWgQuick(text);
  if (!configuration.ok)
    throw new UserError(
      `this version cannot read the cluster's configuration: ${configuration.problem}; install a newer sallyport`,
    );
  const problem = problemOf(configuration.value);
  if (problem !== undefined) throw new UserError(`this device does not take what the cluster says: ${problem}`);
  return configuration.value;
}

async function connected(options: JoinOptions) {
  const asked = {
    server: options.server ?? 'of the kubeconfig',
    namespace: options.namespace ?? 'default',
    act: 'create MeshPeers',
  };
  try {
    const cluster = await connect(options);
    return { cluster, asked: { ...asked, server: cluster.server } };
  } catch (error) {
    throw refusal(error, asked);
  }
}

function nameOf({ profile }: JoinOptions, { context, server }: ConnectedCluster): string {
  if (profile === undefined) return nameFrom(context ?? new URL(server).hostname) ?? 'cluster';
  const name = profileName(profile);
  if (!name.ok) throw new UserError(`--profile: ${name.problem}`);
  return name.value;
}

/** A profile is one device in one cluster; its key must not come to be that of another. */
function sameOrThrow(before: Profile, now: Pick<Profile, 'server' | 'namespace' | 'peer'>): void {
  if (before.server === now.server && before.namespace === now.namespace && before.peer === now.peer) return;
  throw new UserError(
    `profile "${before.name}" is ${before.namespace}/${before.peer} at ${before.server}; choose another name with --profile, or leave that one first: sallyport leave ${before.name}`,
  );
}

/** A rotation that broke off may have given the MeshPeer the next key already. */
function wholeOrThrow(profiles: Profiles, name: string): void {
  if (profiles.names().includes(name) && profiles.isRotating(name))
    throw new UserError(
      `a change of the key of ${name} was broken off; end it first: sallyport rotate ${name}; or, if its MeshPeer is gone, forget it here: sallyport leave ${name} --local`,
    );
}

/** The profile's key, made now unless an earlier attempt made it: the private half never leaves this device. */
function keptKey(profiles: Profiles, name: string): PrivateKey {
  const there = profiles.privateKey(name);
  if (there !== undefined) return there;
  const { privateKey } = keyPairFrom(randomBytes(32));
  profiles.writePrivateKey(name, privateKey);
  return privateKey;
}

function devicesOf(profiles: Profiles): ReadonlySet<string> {
  return new Set(profiles.names().map((name) => profiles.read(name).profile.device));
}

function deviceName(): string {
  return nameFrom(`${userInfo().username}-${hostname().split('.', 1)[0]}`) ?? 'device';
}

function expiry({ expires, ephemeral = false }: JoinOptions, now: Date): string | undefined {
  const text = expires ?? (ephemeral ? EPHEMERAL : undefined);
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  if (!duration.ok) throw new UserError(`--expires: ${duration.problem}`);
  return new Date(Math.ceil((now.getTime() + duration.value) / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

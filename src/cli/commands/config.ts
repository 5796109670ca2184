import { findCondition } from '../../api/conditions.ts';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import type { Client } from '../../k8s/client.ts';
import { fullConfiguration } from '../../laptop/full/full-configuration.ts';
import { keyedWgQuick, networkManager, qrCode, withKeys } from '../../laptop/renderings.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { parseWgQuick, wgQuick } from '../../mesh/wg-quick.ts';
import { type PresharedKey, type PrivateKey, parsePresharedKey, parsePrivateKey } from '../../net/key.ts';
import { publicKeyOf } from '../../net/key-pair.ts';
import { readTextFile, writeSecretFile } from '../files.ts';
import { print, tell, UserError } from '../output.ts';
import type { Profiles } from '../profiles/profiles.ts';

/** What of a configuration is printed. */
export type ConfigFormat = 'wg-quick' | 'qr' | 'networkmanager' | 'json';

export interface ConfigOptions {
  /** NAMESPACE/NAME. */
  readonly peer: string;
  readonly privateKeyFile: string;
  /** Needed for a peer that has a preshared key. */
  readonly presharedKeyFile?: string | undefined;
  /** Everything goes into the tunnel, where the gateway takes it. */
  readonly full: boolean;
  /** Undefined for standard output. */
  readonly out?: string | undefined;
}

/** `sallyport config NAMESPACE/NAME`: connects only once its arguments make sense, and prints the wg-quick file of a MeshPeer's status, with this device's private key, and the preshared key where it has one, in it. */
export async function configOfPeer(
  { peer, privateKeyFile, presharedKeyFile, full, out }: ConfigOptions,
  connect: () => Promise<Client>,
): Promise<void> {
  const [namespace, name, ...rest] = peer.split('/');
  if (!namespace || !name || rest.length > 0)
    throw new UserError(`"${peer}" is not NAMESPACE/NAME, such as team-a/laptop`);
  const privateKey = readPrivateKey(privateKeyFile);
  const presharedKey = presharedKeyFile === undefined ? undefined : readPresharedKey(presharedKeyFile);
  const found = await (await connect()).get(meshPeerType, name, namespace);
  if (found === undefined) throw new UserError(`there is no MeshPeer ${peer}; kubectl get meshpeers -A lists them`);
  const { publicKey, nextPublicKey } = found.spec;
  if (![publicKey, nextPublicKey].includes(publicKeyOf(privateKey))) {
    throw new UserError(
      `the private key in ${privateKeyFile} does not belong to MeshPeer ${peer}; name the right file with --private-key, or set the peer's spec.publicKey to ${publicKeyOf(privateKey)}`,
    );
  }
  if ((found.spec.presharedKeySecretName !== undefined) !== (presharedKey !== undefined))
    throw new UserError(presharedKeyProblem(peer, found.spec.presharedKeySecretName));
  const text = statusConfig(found);
  give(withKeys(full ? fullText(text) : text, { privateKey, presharedKey }), out);
}

/** `sallyport config PROFILE`: what this device has stored, keys included, for another program; asks no cluster. */
export function configOfProfile(
  profiles: Profiles,
  name: string | undefined,
  { format, full, out }: { readonly format: ConfigFormat; readonly full: boolean; readonly out?: string | undefined },
): void {
  const { profile, configuration: stored } = profiles.choose(name);
  const configuration = full ? fullOf(stored) : stored;
  const keys = profiles.keys(profile.name);
  const texts: Readonly<Record<ConfigFormat, () => string>> = {
    'wg-quick': () => keyedWgQuick(configuration, keys),
    qr: () => qrCode(configuration, keys),
    networkmanager: () => networkManager(configuration, keys, profile),
    json: () => JSON.stringify({ ...configuration, ...keys }, undefined, 2),
  };
  give(texts[format](), out);
}

function give(text: string, out: string | undefined): void {
  if (out === undefined) {
    print(text);
    return;
  }
  writeSecretFile(out, text);
  tell(text.includes('[Interface]') ? `Wrote ${out}; bring the tunnel up with: wg-quick up ${out}` : `Wrote ${out}`);
}

function fullText(text: string): string {
  const configuration = parseWgQuick(text);
  if (!configuration.ok) throw new UserError(`this version cannot read status.config: ${configuration.problem}`);
  return wgQuick(fullOf(configuration.value));
}

function fullOf(configuration: ClientConfiguration): ClientConfiguration {
  const full = fullConfiguration(configuration);
  if (!full.ok) throw new UserError(full.problem);
  return full.value;
}

function presharedKeyProblem(peer: string, secret: string | undefined): string {
  return secret === undefined
    ? `MeshPeer ${peer} has no preshared key; leave --preshared-key out, or set its spec.presharedKeySecretName`
    : `MeshPeer ${peer} has a preshared key; name the file that holds it with --preshared-key (whoever made Secret ${secret} has it)`;
}

function statusConfig(peer: MeshPeer): string {
  if (peer.status?.config !== undefined) return peer.status.config;
  const accepted = findCondition(peer.status?.conditions ?? [], 'Accepted');
  if (accepted === undefined)
    throw new UserError(
      'the operator has not looked at this MeshPeer yet; is it running? kubectl get pods -n sallyport-system',
    );
  if (accepted.status === 'True')
    throw new UserError(
      'the MeshPeer is accepted, but its gateway has no endpoint yet; see kubectl describe meshgateway',
    );
  throw new UserError(`the MeshPeer is not accepted (${accepted.reason}): ${accepted.message}`);
}

function readPrivateKey(file: string): PrivateKey {
  const key = parsePrivateKey(readTextFile(file));
  if (!key.ok) throw new UserError(`${file}: ${key.problem}`);
  return key.value;
}

/** @throws {UserError} naming the file */
export function readPresharedKey(file: string): PresharedKey {
  const key = parsePresharedKey(readTextFile(file));
  if (!key.ok) throw new UserError(`${file}: ${key.problem}`);
  return key.value;
}

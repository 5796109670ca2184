import { findCondition } from '../../api/conditions.ts';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import type { Client } from '../../k8s/client.ts';
import { type PresharedKey, type PrivateKey, parsePresharedKey, parsePrivateKey, publicKeyOf } from '../../net/key.ts';
import { readTextFile, writeSecretFile } from '../files.ts';
import { print, tell, UserError } from '../output.ts';

export interface ConfigOptions {
  /** NAMESPACE/NAME. */
  readonly peer: string;
  readonly privateKeyFile: string;
  /** Needed for a peer that has a preshared key. */
  readonly presharedKeyFile?: string | undefined;
  /** Undefined for standard output. */
  readonly out?: string | undefined;
}

/** `sallyport config`: connects only once its arguments make sense, and prints the wg-quick file of a MeshPeer's status, with this device's private key, and the preshared key where it has one, in it. */
export async function config(
  { peer, privateKeyFile, presharedKeyFile, out }: ConfigOptions,
  connect: () => Promise<Client>,
): Promise<void> {
  const [namespace, name, ...rest] = peer.split('/');
  if (!namespace || !name || rest.length > 0)
    throw new UserError(`"${peer}" is not NAMESPACE/NAME, such as team-a/laptop`);
  const privateKey = readPrivateKey(privateKeyFile);
  const presharedKey = presharedKeyFile === undefined ? undefined : readPresharedKey(presharedKeyFile);
  const found = await (await connect()).get(meshPeerType, name, namespace);
  if (found === undefined) throw new UserError(`there is no MeshPeer ${peer}; kubectl get meshpeers -A lists them`);
  if (found.spec.publicKey !== publicKeyOf(privateKey)) {
    throw new UserError(
      `the private key in ${privateKeyFile} does not belong to MeshPeer ${peer}; name the right file with --private-key, or set the peer's spec.publicKey to ${publicKeyOf(privateKey)}`,
    );
  }
  if ((found.spec.presharedKeySecretName !== undefined) !== (presharedKey !== undefined))
    throw new UserError(presharedKeyProblem(peer, found.spec.presharedKeySecretName));
  const whole = withPrivateKey(statusConfig(found), privateKey);
  const text = presharedKey === undefined ? whole : withPresharedKey(whole, presharedKey);
  if (out === undefined) {
    print(text);
    return;
  }
  writeSecretFile(out, text);
  tell(`Wrote ${out}; bring the tunnel up with: wg-quick up ${out}`);
}

/** The configuration with the key in it, in place of the line that would read the key from a file. */
export function withPrivateKey(text: string, privateKey: PrivateKey): string {
  return text
    .split('\n')
    .filter(
      (line) =>
        !line.startsWith('PostUp = wg set %i private-key') && !line.startsWith('# The private key is not in this file'),
    )
    .flatMap((line) => (line === '[Interface]' ? [line, `PrivateKey = ${privateKey}`] : [line]))
    .join('\n');
}

/** The configuration with the preshared key in every section of a gateway, in place of the lines that would read it from a file. */
export function withPresharedKey(text: string, presharedKey: PresharedKey): string {
  return text
    .split('\n')
    .filter((line) => !/^PostUp = wg set %i peer \S+ preshared-key |^# Nor is the preshared key\./.test(line))
    .flatMap((line) => (line.startsWith('PublicKey = ') ? [line, `PresharedKey = ${presharedKey}`] : [line]))
    .join('\n');
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

function readPresharedKey(file: string): PresharedKey {
  const key = parsePresharedKey(readTextFile(file));
  if (!key.ok) throw new UserError(`${file}: ${key.problem}`);
  return key.value;
}

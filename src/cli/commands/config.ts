import { findCondition } from '../../api/conditions.ts';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import type { Client } from '../../k8s/client.ts';
import { type PrivateKey, parsePrivateKey, publicKeyOf } from '../../net/key.ts';
import { readTextFile, writeSecretFile } from '../files.ts';
import { print, tell, UserError } from '../output.ts';

export interface ConfigOptions {
  /** NAMESPACE/NAME. */
  readonly peer: string;
  readonly privateKeyFile: string;
  /** Undefined for standard output. */
  readonly out?: string | undefined;
}

/** `sallyport config`: connects only once its arguments make sense, and prints the wg-quick file of a MeshPeer's status, with the private key of this device in it. */
export async function config(
  { peer, privateKeyFile, out }: ConfigOptions,
  connect: () => Promise<Client>,
): Promise<void> {
  const [namespace, name, ...rest] = peer.split('/');
  if (!namespace || !name || rest.length > 0)
    throw new UserError(`"${peer}" is not NAMESPACE/NAME, such as team-a/laptop`);
  const privateKey = readPrivateKey(privateKeyFile);
  const found = await (await connect()).get(meshPeerType, name, namespace);
  if (found === undefined) throw new UserError(`there is no MeshPeer ${peer}; kubectl get meshpeers -A lists them`);
  if (found.spec.publicKey !== publicKeyOf(privateKey)) {
    throw new UserError(
      `the private key in ${privateKeyFile} does not belong to MeshPeer ${peer}; name the right file with --private-key, or set the peer's spec.publicKey to ${publicKeyOf(privateKey)}`,
    );
  }
  const text = withPrivateKey(statusConfig(found), privateKey);
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

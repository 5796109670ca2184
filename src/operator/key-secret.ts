import type { Secret } from '../api/core.ts';
import { secretType } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { childName, PRIVATE_KEY_ENTRY } from '../api/names.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import { isAlreadyExists } from '../k8s/errors.ts';
import type { Store } from '../k8s/store.ts';
import { type PublicKey, parsePrivateKey } from '../net/key.ts';
import { keyPairFrom, publicKeyOf } from '../net/key-pair.ts';
import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { gatewayKeySecret } from './children.ts';

export interface KeySecrets {
  readonly secrets: Store<Secret>;
  readonly client: Client;
  readonly namespace: string;
  /** Cryptographically strong. */
  readonly randomBytes: (length: number) => Uint8Array;
}

/**
 * The public half of the gateway's key. A Secret that is there already is adopted as it is, whoever made it (Vault, Sealed
 * Secrets, an earlier installation); without one, one is made. What is wrong with a Secret is the user's to mend, and it is
 * never overwritten: every device knows the old key.
 */
export async function gatewayKey(
  gateway: MeshGateway,
  { secrets, client, namespace, randomBytes }: KeySecrets,
): Promise<Parsed<PublicKey>> {
  const name = childName(gateway.metadata.name);
  const known = secrets.get(`${namespace}/${name}` as ObjectKey);
  if (known !== undefined) return publicKeyIn(known);
  const { privateKey, publicKey } = keyPairFrom(randomBytes(32));
  try {
    await client.create(secretType, gatewayKeySecret(gateway, namespace, privateKey));
    return parsed(publicKey);
  } catch (error) {
    // The store lags behind, or somebody supplied one this very moment: theirs counts.
    if (!isAlreadyExists(error)) throw error;
    const theirs = await client.get(secretType, name, namespace);
    if (theirs === undefined) throw error;
    return publicKeyIn(theirs);
  }
}

function publicKeyIn(secret: Secret): Parsed<PublicKey> {
  const where = `Secret ${secret.metadata.namespace}/${secret.metadata.name}`;
  const entry = secret.data[PRIVATE_KEY_ENTRY];
  if (entry === undefined)
    return refused(
      `${where} has no entry ${PRIVATE_KEY_ENTRY}; put the gateway's private key there, or delete the Secret to have a new key made`,
    );
  const key = parsePrivateKey(Buffer.from(entry, 'base64').toString('utf8'));
  if (key.ok) return parsed(publicKeyOf(key.value));
  return refused(
    `${where}, entry ${PRIVATE_KEY_ENTRY}: ${key.problem}, or delete the Secret to have a new key made (every device then needs the new configuration)`,
  );
}

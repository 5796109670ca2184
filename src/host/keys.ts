import { readFile } from 'node:fs/promises';
import { type PublicKey, parsePrivateKey } from '../net/key.ts';
import { publicKeyOf } from '../net/key-pair.ts';
import { type Parsed, parsed, refused } from '../net/parsed.ts';

/** The mounted private key is not the one whose public half the gateway announces. */
export class KeyMismatch extends Error {
  readonly wanted: PublicKey;
  readonly found: PublicKey | undefined;

  constructor(wanted: PublicKey, found: Parsed<PublicKey>) {
    super(
      found.ok
        ? `the mounted private key belongs to the public key ${found.value}, the gateway announces ${wanted}`
        : `the gateway announces the public key ${wanted}, but ${found.problem}`,
    );
    this.name = 'KeyMismatch';
    this.wanted = wanted;
    this.found = found.ok ? found.value : undefined;
  }
}

/** The public half of the private key in a file. The private key leaves this function in no way, errors included. */
export async function mountedPublicKey(file: string): Promise<Parsed<PublicKey>> {
  const text = await readIfThere(file);
  if (text === undefined) return refused(`there is no private key at ${file}`);
  const key = parsePrivateKey(text);
  return key.ok ? parsed(publicKeyOf(key.value)) : refused(`${file} holds no private key: ${key.problem}`);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`read the private key at ${file}`, { cause: error });
  }
}

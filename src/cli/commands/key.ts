import { keyPairFrom } from '../../net/key-pair.ts';
import { writeSecretFile } from '../files.ts';
import { print, tell } from '../output.ts';

/** `sallyport key`: makes a key pair; the private key goes into a file, the public key onto standard output. */
export function key(options: { readonly out: string; readonly random: Uint8Array }): void {
  const { publicKey, privateKey } = keyPairFrom(options.random);
  writeSecretFile(options.out, `${privateKey}\n`);
  tell(
    `The private key is in ${options.out}; it never leaves this device. This is the public key, for spec.publicKey of a MeshPeer:`,
  );
  print(publicKey);
}

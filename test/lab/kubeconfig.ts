import { readFile, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

/** Writes a kubeconfig that holds everything it needs, readable by its owner only. */
export async function writeKubeconfig(
  file: string,
  { server, authority, client }: { readonly server: string; readonly authority: KeyPair; readonly client: KeyPair },
): Promise<string> {
  const embedded = async (path: string) => (await readFile(path)).toString('base64');
  const cluster = { server, 'certificate-authority-data': await embedded(authority.cert) };
  const user = {
    'client-certificate-data': await embedded(client.cert),
    'client-key-data': await embedded(client.key),
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster }],
    users: [{ name: 'lab', user }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
    'current-context': 'lab',
  };
  await writeFile(file, stringify(config), { mode: 0o600 });
  return file;
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadConnection, NoConnection } from '../../src/k8s/kubeconfig.ts';
import { mutatedText, mutatedValue } from './mutate.ts';
import type { FuzzTarget } from './run.ts';

const CONFIG = {
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'lab',
  preferences: {},
  clusters: [{ name: 'lab', cluster: { server: 'https://192.0.2.1:6443', 'certificate-authority-data': 'Q0E=' } }],
  users: [{ name: 'ada', user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'token' } } }],
  contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'ada', namespace: 'team-a' } }],
};
const TEXT = stringify(CONFIG);

/** What cannot be used is refused with its remedy. Credentials are not asked for: a kubeconfig names programs that make them. */
export const kubeconfigTarget: FuzzTarget = {
  name: 'kubeconfig',
  next: (random) => (random() < 0.5 ? (stringify(mutatedValue(CONFIG, random)) ?? '') : mutatedText(TEXT, random)),
  accepts: (input) =>
    inFile(input as string, async (path) => {
      try {
        const { server, namespace } = await loadConnection({ env: {}, path });
        if (!['https:', 'http:'].includes(server.protocol)) throw new Error(`credentials would go to ${server.href}`);
        if (typeof namespace !== 'string') throw new Error(`${namespace} is no namespace`);
        return true;
      } catch (error) {
        if (error instanceof NoConnection) return false;
        throw error;
      }
    }),
};

async function inFile(text: string, use: (path: string) => Promise<boolean>): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-fuzz-'));
  try {
    const path = join(folder, 'config');
    writeFileSync(path, text);
    return await use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

import { execFile } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { cacheDirectory } from '../test/lab/binaries.ts';
import { inProject } from './support/paths.ts';

/** The chart as plain manifests, for people without Helm; from the repository's top. */
export const INSTALL_MANIFEST = 'manifests/install.yaml';

const NAMESPACE = 'sallyport-system';

const HEAD = `# Sallyport without Helm: kubectl apply --server-side -f manifests/install.yaml
# Then a gateway: kubectl apply -f manifests/samples/meshgateway.yaml
# Printed from charts/sallyport with its default values by: npm run update
`;

/** The agents use their node's network, so the namespace must admit them; Helm leaves this to whoever makes the namespace. */
const NAMESPACE_OBJECT = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
};

/** Helm's file: the one that HELM names, else the lab's own, else the one on PATH; undefined when there is none. */
export function findHelm(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const built = globSync(join(cacheDirectory(), 'tools', 'helm-*', 'helm'));
  const onPath = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'helm'));
  return [...(env.HELM === undefined ? [] : [env.HELM]), ...built, ...onPath].find(isExecutable);
}

/**
 * The text of INSTALL_MANIFEST. The gateway is left out: kubectl looks up every kind of a file before it makes the first object, so a file
 * cannot hold a definition and an object of it. @throws {Error} with Helm's words.
 */
export async function renderInstallManifest(helm: string): Promise<string> {
  const words = ['template', 'sallyport', inProject('charts/sallyport'), '--namespace', NAMESPACE];
  const options = ['--include-crds', '--no-hooks', '--set', 'gateway.create=false'];
  const { stdout } = await promisify(execFile)(helm, [...words, ...options], { maxBuffer: 64 * 1024 * 1024 });
  const objects = parseAllDocuments(stdout)
    .map((document): unknown => document.toJS())
    .filter((object) => object !== null)
    .map(withoutHelm);
  return HEAD + [NAMESPACE_OBJECT, ...objects].map((object) => `---\n${stringify(object, { lineWidth: 0 })}`).join('');
}

/** Without the labels that say that Helm looks after the object. */
function withoutHelm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelm);
  if (typeof value !== 'object' || value === null) return value;
  const isHelms = (key: string, entry: unknown) =>
    key === 'helm.sh/chart' || (key === 'app.kubernetes.io/managed-by' && entry === 'Helm');
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, entry]) => (isHelms(key, entry) ? [] : [[key, withoutHelm(entry)]])),
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

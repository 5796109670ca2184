import type { Cluster } from './cluster.ts';
import { type Mesh, must, RELEASE } from './mesh.ts';
import { execInside } from './sandbox.ts';

interface ClusterRole {
  readonly metadata: { readonly resourceVersion?: string };
  readonly rules: readonly { readonly verbs: readonly string[] }[];
}

const READING: readonly string[] = ['get', 'list', 'watch'];
const ROLE = 'sallyport-agent';

/** Has the API server refuse everything that agents write; the answer gives them their rights back. */
export async function refuseAgentWrites({ cluster }: Mesh): Promise<() => Promise<void>> {
  const read = (argv: readonly string[]) => cluster.kubectl(['get', ...argv, '-o', 'json']);
  const binding = await read(['rolebinding', ROLE, '-n', RELEASE.namespace]);
  const role = JSON.parse(await read(['clusterrole', ROLE])) as ClusterRole;
  const rules = role.rules.filter(({ verbs }) => verbs.every((verb) => READING.includes(verb)));
  await cluster.kubectl(['delete', 'rolebinding', ROLE, '-n', RELEASE.namespace]);
  await cluster.kubectl(['replace', '-f', '-'], replacement({ ...role, rules }));
  return async () => {
    await cluster.kubectl(['replace', '-f', '-'], replacement(role));
    await cluster.kubectl(['create', '-f', '-'], replacement(JSON.parse(binding) as ClusterRole));
  };
}

/** Stops the API server in the middle of whatever it does: connections stay open and nothing is answered. */
export function stopApiServer(cluster: Cluster): Promise<void> {
  return signalApiServer(cluster, 'STOP');
}

/** Lets a stopped API server go on. */
export function resumeApiServer(cluster: Cluster): Promise<void> {
  return signalApiServer(cluster, 'CONT');
}

/** Without the version it was read at, so that it replaces whatever is there. */
function replacement({ metadata, ...rest }: ClusterRole): string {
  const { resourceVersion: _, ...lasting } = metadata;
  return JSON.stringify({ ...rest, metadata: lasting });
}

async function signalApiServer({ sandbox }: Cluster, signal: 'STOP' | 'CONT'): Promise<void> {
  const script = 'kill -s "$1" "$(cat "$2/kube-apiserver.pid")"';
  must(await execInside(sandbox, ['sh', '-c', script, 'signal', signal, sandbox.pids]));
}

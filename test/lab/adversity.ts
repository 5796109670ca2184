import { inProject } from '../../scripts/support/paths.ts';
import { API_PORT } from './addresses.ts';
import type { Cluster } from './cluster.ts';
import { type Mesh, must, RELEASE } from './mesh.ts';
import { execInside } from './sandbox.ts';

interface ClusterRole {
  readonly metadata: { readonly resourceVersion?: string };
  readonly rules: readonly { readonly verbs: readonly string[] }[];
}

const READING: readonly string[] = ['get', 'list', 'watch'];
const PEERS = 'meshpeers.sallyport.dev';
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

/** Makes the API server silent: what is sent to it gets lost, on connections that are open already too. */
export async function silenceApiServer({ sandbox }: Cluster): Promise<void> {
  must(await execInside(sandbox, ['nft', '-f', '-'], { input: SILENCE }));
}

/** Lets the API server hear again, also where it was never made silent. */
export async function unsilenceApiServer({ sandbox }: Cluster): Promise<void> {
  must(await execInside(sandbox, ['nft', '-f', '-'], { input: HEARD }));
}

/** Lets the API server store MeshPeers of any shape, as one that had other rules would have. */
export async function loosenRules(cluster: Cluster): Promise<void> {
  const value = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const patch = [{ op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema', value }];
  await cluster.kubectl(['patch', 'crd', PEERS, '--type=json', '-p', JSON.stringify(patch)]);
}

export async function restoreRules(cluster: Cluster): Promise<void> {
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', inProject('crds/meshpeers.yaml')]);
}

const SILENCE = `table inet silence {
  chain input { type filter hook input priority 0; tcp dport ${API_PORT} drop; }
}`;
/** A table is taken away whether it is there or not only in this way. */
const HEARD = 'table inet silence\ndelete table inet silence\n';

/** Without the version it was read at, so that it replaces whatever is there. */
function replacement({ metadata, ...rest }: ClusterRole): string {
  const { resourceVersion: _, ...lasting } = metadata;
  return JSON.stringify({ ...rest, metadata: lasting });
}

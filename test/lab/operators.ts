import { type Mesh, must, RELEASE } from './mesh.ts';
import type { LabNode } from './node.ts';

/** The operator's Deployment, and the Lease by which one of its pods leads. */
export const OPERATOR = 'sallyport-operator';

/** A pod of the operator, and where it runs. */
export interface OperatorPod {
  readonly pod: string;
  readonly node: LabNode;
  readonly uid: string;
  readonly address: string;
}

/** The name of the pod that leads, as the Lease says. */
export async function leaderName({ cluster }: Mesh): Promise<string> {
  const lease = await cluster.get(`/apis/coordination.k8s.io/v1/namespaces/${RELEASE.namespace}/leases/${OPERATOR}`);
  return (lease as { readonly spec: { readonly holderIdentity?: string } }).spec.holderIdentity ?? '';
}

/** The pod that leads. @throws while none does */
export async function leader(mesh: Mesh): Promise<OperatorPod> {
  const pod = await leaderName(mesh);
  const found = await mesh.cluster.get(`/api/v1/namespaces/${RELEASE.namespace}/pods/${pod}`);
  const { metadata, spec, status } = found as {
    readonly metadata: { readonly uid: string };
    readonly spec: { readonly nodeName: string };
    readonly status: { readonly podIP: string };
  };
  return { pod, node: mesh.cluster.node(spec.nodeName), uid: metadata.uid, address: status.podIP };
}

/** The first process of the operator's container in a pod, as its node counts processes; empty while there is none. */
export async function operatorOf({ node, uid }: Pick<OperatorPod, 'node' | 'uid'>): Promise<string> {
  const script =
    'for pid in $(pgrep -xf "node /app/operator.mjs run"); do grep -q "pod$1" "/proc/$pid/cgroup" && echo "$pid"; done';
  return must(await node.exec(['sh', '-c', script, 'find', uid])).trim();
}

import { type Mesh, RELEASE } from './mesh.ts';
import type { LabNode } from './node.ts';

/** The Service by which a balancer reaches the agents of the gateway `default`. */
export const AGENT_SERVICE = 'sallyport-default';

/** What a load balancer is told of a node. */
export interface BalancerHealth {
  /** Of the answer; 0 where there is none. */
  readonly status: number;
  /** How many ready agents kube-proxy, which answers, counts there. */
  readonly agents: number | undefined;
}

/** Asks the health check node port of a node as a load balancer does, from another node. */
export async function balancerHealth({ cluster }: Mesh, node: LabNode, from: LabNode): Promise<BalancerHealth> {
  const raw = (await cluster.get(`/api/v1/namespaces/${RELEASE.namespace}/services/${AGENT_SERVICE}`)) as {
    readonly spec: { readonly healthCheckNodePort?: number };
  };
  const url = `http://${node.address}:${raw.spec.healthCheckNodePort}/healthz`;
  const { stdout } = await from.exec(['curl', '-sS', '--max-time', '5', '-w', '\n%{http_code}', url]);
  const [body = '', code] = stdout.split(/\n(?=\d+$)/);
  return {
    status: Number(code),
    agents: (JSON.parse(body || '{}') as { readonly localEndpoints?: number }).localEndpoints,
  };
}

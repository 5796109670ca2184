import { API_PORT } from '../lab/addresses.ts';
import type { Cluster } from '../lab/cluster.ts';
import { startComponent, stopComponent } from '../lab/component.ts';
import { controlPlaneLog } from '../lab/control-plane.ts';
import { must, until } from '../lab/mesh.ts';
import type { LabNode } from '../lab/node.ts';
import { labDirectory } from '../lab/record.ts';
import { execInside } from '../lab/sandbox.ts';
import type { Heal } from './fault.ts';

/*
 * What is between programs of Sallyport and the API server. They know it by its Service, and a node's own programs by its address, so
 * rules about the Service leave the kubelet alone.
 */

const PROXY_PORT = API_PORT + 1_000;
const PROXY = 'api-proxy';

/** What stands before the API server (programs/api-proxy.ts). */
export type ProxyMode = 'slow' | 'busy' | 'gone';

/** Puts a proxy between all programs of Sallyport and the API server. Resolves once their connections of before are over. */
export async function standBefore(cluster: Cluster, mode: ProxyMode): Promise<Heal> {
  const { sandbox, site } = cluster;
  const words = [site.controlPlane, String(PROXY_PORT), String(API_PORT), `${labDirectory(cluster.name)}/pki`, mode];
  await startComponent({
    sandbox,
    name: PROXY,
    argv: [process.execPath, `${import.meta.dirname}/programs/${PROXY}.ts`, ...words],
    log: controlPlaneLog(cluster.name, PROXY),
  });
  await until(
    'the proxy to listen',
    () => execInside(sandbox, ['ss', '-tlnH', 'sport', '=', `:${PROXY_PORT}`]),
    ({ stdout }) => stdout !== '',
  );
  const laid = await Promise.all(cluster.nodes.map((node) => table(node, redirected(cluster))));
  await endConnections(cluster, API_PORT);
  return async () => {
    for (const remove of laid) await remove();
    await stopComponent(sandbox, PROXY);
  };
}

/** Lets nothing pass between the agent of a node and the API server, without a word, on open connections too. */
export function cutOffAgent({ site }: Cluster, node: LabNode): Promise<Heal> {
  const drop = `ct original ip daddr ${site.apiService} drop`;
  return table(node, [chain('output', 'filter', drop), chain('input', 'filter', drop)]);
}

/** The same for one pod of a node. */
export function cutOffPod({ site }: Cluster, node: LabNode, address: string): Promise<Heal> {
  const drop = `ct original ip saddr ${address} ct original ip daddr ${site.apiService} drop`;
  return table(node, [chain('forward', 'filter', drop)]);
}

/** Makes the present connections between the agent of a node and the API server half open: both ends keep them, and nothing passes. */
export async function stallAgent({ site }: Cluster, node: LabNode): Promise<Heal> {
  const open = must(await node.exec(['ss', '-tnH', 'state', 'established', 'dst', site.apiService]));
  const ports = [...open.matchAll(/:(\d+)\s+\S+:443\b/g)].map(([, port = '']) => port);
  if (ports.length === 0) throw new Error(`the agent of ${node.name} has no connection to the API server:\n${open}`);
  const drop = (port: string) => `ct original ip daddr ${site.apiService} tcp ${port} { ${ports.join(', ')} } drop`;
  return table(node, [chain('output', 'filter', drop('sport')), chain('input', 'filter', drop('dport'))]);
}

/** Lays a table of the lab’s own on a machine; the answer removes it. */
export async function table(node: Pick<LabNode, 'exec'>, chains: readonly string[]): Promise<Heal> {
  must(await node.exec(['nft', '-f', '-'], { input: `table inet lab_fault {\n${chains.join('\n')}\n}\n` }));
  return async () => must(await node.exec(['nft', 'delete', 'table', 'inet', 'lab_fault']));
}

/** A base chain with one rule, which meets packets before those of kube-proxy. */
export function chain(hook: string, type: 'filter' | 'nat', rule: string): string {
  return `chain ${hook} { type ${type} hook ${hook} priority -110; ${rule}; }`;
}

function redirected({ site }: Cluster): readonly string[] {
  const rule = `ip daddr ${site.apiService} tcp dport 443 dnat ip to ${site.controlPlane}:${PROXY_PORT}`;
  return [chain('output', 'nat', rule), chain('prerouting', 'nat', rule)];
}

/** Resets all connections to a port of the control plane; both ends are told. */
async function endConnections({ sandbox }: Cluster, port: number): Promise<void> {
  must(await execInside(sandbox, ['ss', '-K', '-tn', 'state', 'established', 'sport', '=', `:${port}`]));
}

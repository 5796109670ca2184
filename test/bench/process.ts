import { agentOf } from '../lab/gateway-node.ts';
import { type Mesh, must, RELEASE } from '../lab/mesh.ts';
import type { LabNode } from '../lab/node.ts';

/** A process on a node, by its id there. */
export interface NodeProcess {
  readonly node: LabNode;
  readonly id: string;
}

/** The operator that leads. */
export async function leader({ cluster }: Mesh): Promise<NodeProcess> {
  const place = ['-n', RELEASE.namespace, 'get'];
  const pod = await cluster.kubectl([...place, 'lease', 'sallyport-operator', '-o', 'jsonpath={.spec.holderIdentity}']);
  const node = cluster.node(await cluster.kubectl([...place, 'pod', pod, '-o', 'jsonpath={.spec.nodeName}']));
  return {
    node,
    id:
      must(await node.exec(['pgrep', '-xf', 'node /app/operator.mjs run']))
        .trim()
        .split('\n')[0] ?? '',
  };
}

export async function agent(node: LabNode): Promise<NodeProcess> {
  const id = await agentOf(node);
  if (id === undefined) throw new Error(`no agent runs on ${node.name}`);
  return { node, id };
}

/** Resident memory in megabytes. */
export async function rssMb({ node, id }: NodeProcess): Promise<number> {
  const status = must(await node.exec(['cat', `/proc/${id}/status`]));
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6;
}

/** Share of one processor, in percent, that a process takes in the next `seconds`. */
export async function cpuPercent(process: NodeProcess, seconds: number): Promise<number> {
  const before = await cpuSeconds(process);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return ((await cpuSeconds(process)) - before) * (100 / seconds);
}

/** Ticks are hundredths of a second on Linux (USER_HZ). */
async function cpuSeconds({ node, id }: NodeProcess): Promise<number> {
  const fields =
    must(await node.exec(['cat', `/proc/${id}/stat`]))
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

import { readdirSync, readFileSync } from 'node:fs';
import { labGroup } from '../../lab/cgroups.ts';
import { agentOf, DEVICE } from '../../lab/gateway-node.ts';
import { type Mesh, must, RELEASE } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';

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
  const ids = must(await node.exec(['pgrep', '-xf', 'node /app/operator.mjs run']))
    .trim()
    .split('\n');
  for (const id of ids) if (await isPod({ node, id }, pod)) return { node, id };
  throw new Error(`no process of pod ${pod} runs on ${node.name}`);
}

export async function agentOn(node: LabNode): Promise<NodeProcess> {
  const id = await agentOf(node);
  if (id === undefined) throw new Error(`no agent runs on ${node.name}`);
  return { node, id };
}

/** The process that serves the gateway's interface, where the kernel does not. */
export async function wireguardGoOn(node: LabNode): Promise<NodeProcess> {
  return { node, id: must(await node.exec(['pgrep', '-xf', `wireguard-go -f ${DEVICE}`])).trim() };
}

/** Resident memory in megabytes. */
export async function rssMb(process: NodeProcess): Promise<number> {
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readProc(process, 'status'))?.[1]) * 1024) / 1e6;
}

/** Processor time so far, in seconds, with that of the commands it has run to their end. */
export async function cpuSeconds(process: NodeProcess): Promise<number> {
  return secondsIn(await readProc(process, 'stat'));
}

/** Processor time so far, in seconds, of all that runs in a lab, by program. */
export function cpuByProgram(lab: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${id}/cgroup`, 'utf8').includes(labGroup(lab))) continue;
      const name = programOf(readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0'));
      sums.set(name, (sums.get(name) ?? 0) + secondsIn(readFileSync(`/proc/${id}/stat`, 'utf8')));
    } catch {
      // It has ended meanwhile; whoever started it counts it.
    }
  }
  return sums;
}

async function isPod(process: NodeProcess, pod: string): Promise<boolean> {
  return (await readProc(process, 'environ')).split('\0').includes(`POD_NAME=${pod}`);
}

async function readProc({ node, id }: NodeProcess, file: string): Promise<string> {
  return must(await node.exec(['cat', `/proc/${id}/${file}`]));
}

/** `kube-apiserver`, or for Node.js the script: `agent.mjs`. */
function programOf([command = '', ...words]: readonly string[]): string {
  const name = (path: string) => path.split('/').at(-1) ?? '';
  return name(command) === 'node' ? name(words[0] ?? '') : name(command);
}

/** From /proc/PID/stat (proc(5)): utime, stime, cutime and cstime, in ticks of a hundredth of a second on Linux (USER_HZ). */
function secondsIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0) / 100;
}

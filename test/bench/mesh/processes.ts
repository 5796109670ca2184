import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { labGroup } from '../../lab/cgroups.ts';
import type { ExecResult } from '../../lab/exec.ts';
import { agentOf, DEVICE } from '../../lab/gateway-node.ts';
import { type Mesh, must, RELEASE } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';

/** A process on a node or a laptop, by its id there. */
export interface MachineProcess {
  readonly machine: Pick<LabNode, 'exec'>;
  readonly id: string;
}

/** The operator that leads. */
export async function leader({ cluster }: Mesh): Promise<MachineProcess> {
  const place = ['-n', RELEASE.namespace, 'get'];
  const pod = await cluster.kubectl([...place, 'lease', 'sallyport-operator', '-o', 'jsonpath={.spec.holderIdentity}']);
  const node = cluster.node(await cluster.kubectl([...place, 'pod', pod, '-o', 'jsonpath={.spec.nodeName}']));
  const ids = must(await node.exec(['pgrep', '-xf', 'node /app/operator.mjs run']))
    .trim()
    .split('\n');
  for (const id of ids) if (await isPod({ machine: node, id }, pod)) return { machine: node, id };
  throw new Error(`no process of pod ${pod} runs on ${node.name}`);
}

export async function agentOn(node: LabNode): Promise<MachineProcess> {
  const id = await agentOf(node);
  if (id === undefined) throw new Error(`no agent runs on ${node.name}`);
  return { machine: node, id };
}

/** The process that serves the gateway's interface, where the kernel does not. */
export async function wireguardGoOn(node: LabNode): Promise<MachineProcess> {
  return { machine: node, id: must(await node.exec(['pgrep', '-xf', `wireguard-go -f ${DEVICE}`])).trim() };
}

/** Resident memory in megabytes. */
export async function rssMb(process: MachineProcess): Promise<number> {
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readProc(process, 'status'))?.[1]) * 1024) / 1e6;
}

/** Processor time so far, in seconds, with that of the commands it has run to their end. */
export async function cpuSeconds(process: MachineProcess): Promise<number> {
  return secondsIn(await readProc(process, 'stat'));
}

/** Share of one processor in a while from now, in percent. */
export async function cpuPercent(process: MachineProcess, seconds: number): Promise<number> {
  const before = await cpuSeconds(process);
  const start = performance.now();
  await delay(seconds * 1000);
  return (((await cpuSeconds(process)) - before) * 100_000) / (performance.now() - start);
}

/** Resident memory of a Node.js half a second after its start, in megabytes; `node` runs it with these words. */
export async function bareNodeMb(node: (argv: readonly string[]) => Promise<ExecResult>): Promise<number> {
  const program =
    "setTimeout(() => console.log(/VmRSS:\\s+(\\d+)/.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1]), 500)";
  return (Number(must(await node(['-e', program]))) * 1024) / 1e6;
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

async function isPod(process: MachineProcess, pod: string): Promise<boolean> {
  return (await readProc(process, 'environ')).split('\0').includes(`POD_NAME=${pod}`);
}

async function readProc({ machine, id }: MachineProcess, file: string): Promise<string> {
  return must(await machine.exec(['cat', `/proc/${id}/${file}`]));
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

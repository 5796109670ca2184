import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGroup, groupDirectories, labGroup } from '../../lab/cgroups.ts';
import type { Laptop } from '../../lab/laptop.ts';
import { must } from '../../lab/mesh.ts';
import { ipBatch } from '../../lab/network.ts';
import type { Cluster } from '../../lab/running-cluster.ts';

/** Of the lab's processes, the guest that is the gateway node, and the pods that echo. */
const PASSED = [/ uml_dir=/, /\/node \/server\.ts/];
/** In version 1 and 2 of control groups. */
const WEIGHTS = [
  { file: 'cpu.shares', most: '262144' },
  { file: 'cpu.weight', most: '10000' },
] as const;
/** Packets that may wait for the guest; at the flow's rate, many seconds. */
const QUEUE = 20_000;

/**
 * Lets what the flow passes run before everything else on this machine, which is short of processors, and wait where it must: a pod that
 * echoes would come last of all, and its full buffer would look like a loss of the gateway. In the guest, its kernel and its programs still
 * compete for the one processor that it has.
 */
export async function takePrecedence(cluster: Cluster, laptop: Laptop): Promise<void> {
  const taps = cluster.nodes.flatMap(({ kernel }, at) => (kernel === 'own' ? [`node${at + 1}`] : []));
  await ipBatch(
    cluster.sandbox,
    taps.map((tap) => `link set ${tap} txqueuelen ${QUEUE}`),
  );
  must(await laptop.exec(['ip', 'link', 'set', 'mesh', 'txqueuelen', String(QUEUE)]));
  const guests = cluster.nodes.filter(({ kernel }) => kernel === 'own');
  for (const guest of guests) must(await guest.exec(['sysctl', '-qw', `net.core.netdev_max_backlog=${QUEUE}`]));
  await intoGroup(labGroup(cluster.name), flowProcesses(cluster.name, laptop));
}

/** A control group of their own below the lab's, which goes with it. Both have the greatest weight that there is. */
async function intoGroup(lab: string, processes: readonly string[]): Promise<void> {
  const flow = `${lab}/flow`;
  await createGroup(flow);
  for (const directory of groupDirectories(flow)) {
    const weight = WEIGHTS.find(({ file }) => existsSync(join(directory, file)));
    if (weight === undefined) continue;
    for (const group of [join(directory, '..'), directory]) await writeFile(join(group, weight.file), weight.most);
    for (const id of processes) await moveInto(directory, id);
  }
}

/** One that has ended meanwhile is nobody's. */
async function moveInto(directory: string, process: string): Promise<void> {
  try {
    await writeFile(join(directory, 'cgroup.procs'), process);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** All of the laptop's, which belong to no group of the lab, and what the flow passes in the lab. */
function flowProcesses(lab: string, laptop: Laptop): readonly string[] {
  const network = networkOf(String(laptop.sandbox.init.pid));
  return readdirSync('/proc').filter((id) => {
    if (!/^\d+$/.test(id)) return false;
    try {
      if (networkOf(id) === network) return true;
      const command = readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const isPassed = PASSED.some((program) => program.test(command));
      return isPassed && readFileSync(`/proc/${id}/cgroup`, 'utf8').includes(`${labGroup(lab)}/`);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

function networkOf(id: string): string {
  return readlinkSync(`/proc/${id}/ns/net`);
}

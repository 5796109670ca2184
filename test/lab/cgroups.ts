import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { poll } from './progress.ts';

/** The name of a lab's top control group, the same in every hierarchy. */
export function labGroup(lab: string): string {
  return `sallyport-lab-${lab}`;
}

/** The directories of a control group, one per mounted hierarchy (one per controller in version 1, one in version 2). */
export function groupDirectories(group: string): readonly string[] {
  return hierarchies().map((mount) => join(mount, group));
}

/** What the shell scripts that start programs need to put them into a lab's group for all that is no pod. */
export function systemGroups(lab: string): { readonly LAB_GROUPS: string } {
  return { LAB_GROUPS: groupDirectories(`${labGroup(lab)}/system`).join(' ') };
}

/** Makes a control group, and those above it, in every hierarchy, ready to hold processes. */
export async function createGroup(group: string): Promise<void> {
  const above = dirname(group);
  if (above !== '.') await createGroup(above);
  for (const directory of groupDirectories(group)) {
    await mkdir(directory, { recursive: true });
    await inheritCpuset(directory);
    await enableControllers(join(directory, '..'));
  }
}

/** Kills everything in a control group and below, then removes it; what is gone already is no error. */
export async function removeGroup(group: string): Promise<void> {
  const directories = groupDirectories(group);
  await poll(`remove control group ${group}`, async () => {
    for (const directory of directories) await removeTree(directory);
    return directories.some((directory) => existsSync(directory)) ? undefined : true;
  });
}

/** Whether any hierarchy still has this control group. */
export function groupExists(group: string): boolean {
  return groupDirectories(group).some((directory) => existsSync(directory));
}

function hierarchies(): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
}

/** A version 1 cpuset group holds no process before its own processors and memory nodes are written. */
async function inheritCpuset(directory: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = join(directory, file);
    const parent = join(directory, '..', file);
    if (!existsSync(join(directory, 'cgroup.clone_children')) || !existsSync(own) || !existsSync(parent)) continue;
    await writeFile(own, readFileSync(parent, 'utf8'));
  }
}

/** In version 2 a group may limit only what its parent hands down; what cannot be handed down is left out. */
async function enableControllers(parent: string): Promise<void> {
  const list = join(parent, 'cgroup.controllers');
  if (!existsSync(list)) return;
  for (const controller of readFileSync(list, 'utf8').trim().split(' ').filter(Boolean)) {
    await writeFile(join(parent, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined);
  }
}

async function removeTree(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  }
  for (const pid of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
    kill(Number(pid));
  }
  // Busy as long as a killed task has not left: the caller tries again.
  await rmdir(directory).catch(() => undefined);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended on its own between the reading and the killing.
  }
}

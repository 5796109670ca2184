import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { KubeProxyMode, NodeKernel } from './node.ts';

/** Where labs keep what lives as long as they do. Wiped by a reboot, like everything it speaks of. */
export const LABS_DIRECTORY = '/run/sallyport-lab';

/** A process, told apart from a later one with the same number by its start time (clock ticks since boot). */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
}

/** All that is needed to find a lab again, from another process or after a crash. */
export interface LabRecord {
  readonly name: string;
  /** Where its addresses are. */
  readonly site: number;
  /** The first process of the lab's PID namespace: its death ends every process of the lab. */
  readonly init?: ProcessId;
  /** True once the lab shall outlive the command that started it. */
  readonly kept: boolean;
  readonly apiPort?: number;
  readonly kubeProxyMode: KubeProxyMode;
  readonly nodes: readonly MemberRecord[];
  readonly laptops: readonly MemberRecord[];
}

/** A node or laptop of the lab. */
export interface MemberRecord {
  readonly name: string;
  readonly index: number;
  /** Of a node. */
  readonly kernel?: NodeKernel;
  /** Absent while it is powered off. */
  readonly init?: ProcessId;
}

/** A lab's own folder. */
export function labDirectory(name: string): string {
  return join(LABS_DIRECTORY, name);
}

/** Writes the record, replacing the last one at once. Synchronous, so that two writers cannot interleave. */
export function writeRecord(record: LabRecord): void {
  const file = join(labDirectory(record.name), 'lab.json');
  mkdirSync(labDirectory(record.name), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** The record of a lab, if there is one. */
export function readRecord(name: string): LabRecord | undefined {
  const file = join(labDirectory(name), 'lab.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LabRecord) : undefined;
}

/** The names of all labs that have a folder. */
export async function labNames(): Promise<readonly string[]> {
  return existsSync(LABS_DIRECTORY) ? await readdir(LABS_DIRECTORY) : [];
}

/** Identifies a living process; undefined if there is none (a zombie counts as none). */
export function identify(pid: number): ProcessId | undefined {
  try {
    // The second field is the name in parentheses and may hold anything: count from its end (proc_pid_stat(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : { pid, started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

/** Whether exactly this process still lives. */
export function isAlive(id: ProcessId): boolean {
  return identify(id.pid)?.started === id.started;
}

/**
 * Takes a lock for as long as this process lives; undefined if another has it. The lock is an abstract
 * socket (unix(7)): the kernel frees it however its holder ends, and no file is left.
 */
export function tryLock(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(`\0sallyport-lab/${name}`, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** The lock its owner holds while a lab begins and, unless the lab is kept, lives. */
export function ownerLock(name: string): string {
  return `owner/${name}`;
}

/** The lock a lab's guard holds until it has removed the lab. */
export function guardLock(name: string): string {
  return `guard/${name}`;
}

import { readFile } from 'node:fs/promises';

/** A process, told apart from a later one with the same id. */
export interface Owner {
  readonly pid: number;
  /** When it started, in clock ticks since the machine did. */
  readonly started: number;
}

/** The owner of what this process makes. */
export async function thisProcess(): Promise<Owner> {
  return { pid: process.pid, started: (await startOf(process.pid)) ?? 0 };
}

/** Whether it still runs. */
export async function isAlive({ pid, started }: Owner): Promise<boolean> {
  return (await startOf(pid)) === started;
}

/** The start time in proc_pid_stat(5); undefined where no such process runs. */
async function startOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name of the program, in parentheses, may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const isGone = fields === undefined || fields[0] === 'Z' || fields[0] === 'X';
  return isGone ? undefined : Number(fields[19]);
}

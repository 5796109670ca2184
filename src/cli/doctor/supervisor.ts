import { readFile } from 'node:fs/promises';
import type { SupervisorFinding } from '../../laptop/doctor/findings.ts';
import { askSupervisor } from '../supervisor/status-socket.ts';
import { messageOf } from './looked.ts';

/** Asks the profile's supervisor how it is. */
export async function lookAtSupervisor(runFolder: string, name: string): Promise<SupervisorFinding> {
  try {
    const told = await askSupervisor(runFolder, name);
    if (told === undefined) return { kind: 'none' };
    const { pid, routes, names, full = false } = told;
    const notices = told.notices.map(({ text }) => text);
    return { kind: 'running', pid, routes, full, names, notices, leavesNames: await leavesNames(pid) };
  } catch (error) {
    return { kind: 'mute', problem: messageOf(error) };
  }
}

/** Its command line tells; undefined where there is none to see. */
async function leavesNames(pid: number): Promise<boolean | undefined> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return words?.split('\0').includes('--no-names');
}

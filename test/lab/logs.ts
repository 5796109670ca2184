import { cp, lstat } from 'node:fs/promises';
import { labDirectory } from './record.ts';

/** Where a lab's logs are as long as it lives. */
export const logsOf = (name: string) => `${labDirectory(name)}/logs`;

/** Copies a lab's logs. The kubelets' links stay behind: they are to places of their nodes, and what they are to is copied with `pods`. */
export async function copyLogs(name: string, target: string): Promise<void> {
  const isNoLink = async (source: string) => !(await lstat(source)).isSymbolicLink();
  await cp(logsOf(name), target, { recursive: true, filter: isNoLink });
}

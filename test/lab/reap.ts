import { existsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { groupExists, labGroup, removeGroup } from './cgroups.ts';
import { copyLogs, logsOf } from './logs.ts';
import { LABS_DIRECTORY, labDirectory, readRecord } from './record.ts';
import { killNamespace } from './sandbox.ts';

/**
 * Removes every trace of a lab: its processes (and with them its namespaces, links and mounts), its control groups,
 * its folder. Safe at any time and for a lab that half exists. Logs are copied first if `logs` names a folder.
 */
export async function reap(name: string, logs = process.env.SALLYPORT_LAB_LOGS): Promise<void> {
  const init = readRecord(name)?.init;
  if (init) await killNamespace(init);
  // What was started before the record was written is found by its control group.
  await removeGroup(labGroup(name));
  const folder = labDirectory(name);
  if (logs && existsSync(logsOf(name))) await copyLogs(name, `${logs}/${name}`);
  await rm(folder, { recursive: true, force: true });
  if (existsSync(LABS_DIRECTORY) && (await readdir(LABS_DIRECTORY)).length === 0) {
    // Another lab may begin just now.
    await rmdir(LABS_DIRECTORY).catch(() => undefined);
  }
}

/** Whether anything of a lab exists. */
export function anythingLeft(name: string): boolean {
  return existsSync(labDirectory(name)) || groupExists(labGroup(name));
}

import type { Commands } from '../../host/exec.ts';
import { ExecError } from '../../host/exec-error.ts';
import { resolvedRemove } from '../../laptop/names/resolved.ts';
import { locked } from './lock.ts';
import type { NamePaths } from './paths.ts';
import { plainPlacement, resolvconfPlacement } from './placement.ts';
import { leaveNoFolder, type NamesRecord, readRecords, removeRecord, sortedOut } from './records.ts';
import { readResolv, resolvPath } from './resolv-file.ts';

/**
 * Undoes what processes that are gone did to this machine's names, also after a start of the machine: for the beginning of every `up`
 * and `down`. Gives a sentence for each thing it put right.
 */
export function repairNames(paths: NamePaths, commands: Commands): Promise<readonly string[]> {
  return locked(paths, () => repairWhileLocked(paths, commands));
}

/** The same for who holds the lock. */
export async function repairWhileLocked(paths: NamePaths, commands: Commands): Promise<readonly string[]> {
  const { live, dead } = await sortedOut(await readRecords(paths));
  const { isOurs } = await readResolv(paths);
  const isOrphaned = isOurs && live.every(({ backend }) => backend !== 'resolv.conf');
  for (const { backend, device } of dead) if (backend === 'systemd-resolved') await undoResolved(device, commands);
  const of = (records: readonly NamesRecord[], backend: string) => records.filter((each) => each.backend === backend);
  if (of(dead, 'resolvconf').length > 0) await resolvconfPlacement(paths, commands).place(of(live, 'resolvconf'));
  if (of(dead, 'resolv.conf').length > 0 || isOrphaned) await plainPlacement(paths).place(of(live, 'resolv.conf'));
  for (const record of dead) await removeRecord(paths, record);
  await leaveNoFolder(paths);
  return [
    ...dead.map(
      ({ profile, backend }) => `${profile} ended without a word and left its names in ${backend}; they are out again.`,
    ),
    ...(isOrphaned && dead.length === 0 ? [`${resolvPath(paths)} was left from before; it is as it was again.`] : []),
  ];
}

/** Takes a link's names from systemd-resolved; a link that is gone has none. */
export async function undoResolved(device: string, commands: Commands): Promise<void> {
  try {
    for (const argv of resolvedRemove(device)) await commands.run(argv);
  } catch (error) {
    if (!(error instanceof ExecError) || !/no such device|unknown interface|not known/i.test(error.facts.stderr))
      throw error;
  }
}

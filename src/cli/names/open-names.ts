import type { Commands } from '../../host/exec.ts';
import type { NamesBackend } from '../../laptop/names/backend.ts';
import { claimedDomains, resolvedInstall } from '../../laptop/names/resolved.ts';
import type { SplitNames } from '../../laptop/names/split-names.ts';
import { thisProcess } from '../owner.ts';
import { detectBackend } from './detect.ts';
import { ForwardedNames } from './forwarded-names.ts';
import { locked } from './lock.ts';
import type { NamePaths } from './paths.ts';
import { reasonOf } from './reason.ts';
import {
  leaveNoFolder,
  type NamesRecord,
  readRecords,
  recordOf,
  removeRecord,
  sortedOut,
  writeRecord,
} from './records.ts';
import { repairWhileLocked, undoResolved } from './repair.ts';

export interface OpenNamesOptions {
  readonly profile: string;
  /** The tunnel's interface. */
  readonly device: string;
  readonly names: SplitNames;
  readonly commands: Commands;
  readonly paths: NamePaths;
  /** Is told what happens later, and is no reason to end: who rewrote what, what could not be put back. */
  readonly onNote: (sentence: string) => void;
}

/** Names that are asked in a cluster for as long as this is open. */
export interface OpenNames {
  readonly backend: NamesBackend;
  /** Where our forwarder listens; undefined where the system splits names itself. */
  readonly address: string | undefined;
  /** What may be left out of a name: where the system splits names itself, nothing. */
  readonly search: readonly string[];
  /** Takes other names from now on, without a moment in which none are found. @throws when they could not be installed */
  update(names: SplitNames): Promise<void>;
  /** Puts back what was there. Safe to repeat. */
  close(): Promise<void>;
}

/**
 * Sends the names of a cluster into it and leaves all others where they were. What was there is saved before anything changes; what a
 * process that was killed left is undone first. The process must live on: it may hold the forwarder, and its end is the end of its names.
 * @throws when the names could not be installed; then nothing is left changed
 */
export async function openNames(options: OpenNamesOptions): Promise<OpenNames> {
  const { commands, paths, profile, device, names } = options;
  const { backend, owner } = await locked(paths, async () => {
    await repairWhileLocked(paths, commands);
    const { live } = await sortedOut(await readRecords(paths));
    return { backend: live[0]?.backend ?? (await detectBackend(paths, commands)), owner: await thisProcess() };
  });
  const record = recordOf({ profile, device, backend, owner, names: NONE }, names);
  return backend === 'systemd-resolved' ? openResolved(record, options) : ForwardedNames.open(record, options);
}

const NONE = { servers: [], zones: [], search: [], everything: false };

async function openResolved(
  record: NamesRecord,
  { commands, paths, device, names }: OpenNamesOptions,
): Promise<OpenNames> {
  const update = (changed: SplitNames) =>
    locked(paths, async () => {
      await writeRecord(paths, recordOf(record, changed));
      const claimed = changed.everything ? claimedDomains(await commands.run(['resolvectl', 'domain']), device) : [];
      for (const argv of resolvedInstall(device, changed, claimed)) await commands.run(argv);
    });
  const close = () =>
    locked(paths, async () => {
      await undoResolved(device, commands);
      await removeRecord(paths, record);
      await leaveNoFolder(paths);
    });
  try {
    await update(names);
  } catch (error) {
    await close();
    throw new Error(`systemd-resolved does not take the names of the cluster: ${reasonOf(error)}`, { cause: error });
  }
  return { backend: record.backend, address: undefined, search: [], update, close };
}

import type { Commands } from '../../host/exec.ts';
import type { NamesBackend } from '../../laptop/names/backend.ts';
import { detectBackend } from './detect.ts';
import type { NamePaths } from './paths.ts';
import { readRecords, sortedOut } from './records.ts';
import { readResolv } from './resolv-file.ts';

/** How names stand on this machine, for whoever asks how things are. */
export interface NamesStanding {
  /** Which part of the system decides where names are asked. */
  readonly backend: NamesBackend;
  /** The profiles whose names are in, the oldest first. */
  readonly profiles: readonly ProfileNames[];
  /** Whether something is left of a process that is gone; the next `up` or `down` puts it right. */
  readonly needsRepair: boolean;
}

export interface ProfileNames {
  readonly profile: string;
  readonly device: string;
  readonly backend: NamesBackend;
  /** Where our forwarder listens; undefined where the system splits names itself. */
  readonly address: string | undefined;
  readonly servers: readonly string[];
  readonly zones: readonly string[];
}

/** Looks, and changes nothing. */
export async function namesStanding(paths: NamePaths, commands: Commands): Promise<NamesStanding> {
  const [records, { isOurs }] = await Promise.all([readRecords(paths), readResolv(paths)]);
  const { live, dead } = await sortedOut(records);
  const isOrphaned = isOurs && live.every(({ backend }) => backend !== 'resolv.conf');
  return {
    backend: live[0]?.backend ?? (await detectBackend(paths, commands)),
    profiles: live.map(({ profile, device, backend, address, names: { servers, zones } }) => ({
      ...{ profile, device, backend, address, servers, zones },
    })),
    needsRepair: dead.length > 0 || isOrphaned,
  };
}

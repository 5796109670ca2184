import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Commands } from '../../host/exec.ts';
import { SYSTEM_PATHS } from '../names/paths.ts';
import { readRecords } from '../names/records.ts';
import { repairNames } from '../names/repair.ts';
import { fullTunnelsHere, hasFullWays, removeFullWays } from '../tunnel/full-ways.ts';
import { LinuxTunnel } from '../tunnel/linux-tunnel.ts';
import { ownerFile } from './status-socket.ts';

/** What a supervisor that was killed may have left behind. */
export interface LeftOver {
  readonly commands: Commands;
  readonly runFolder: string;
  readonly profile: string;
  readonly device: string;
  readonly privateKeyFile: string;
}

/** Whether a supervisor that did not end in order may have left something of the profile here; for this nobody need be root. */
export async function mayHaveLeft({
  commands,
  runFolder,
  profile,
  device,
}: Omit<LeftOver, 'privateKeyFile'>): Promise<boolean> {
  if (existsSync(`/sys/class/net/${device}`) || existsSync(ownerFile(runFolder, profile))) return true;
  const records = await readRecords(SYSTEM_PATHS);
  return records.some((record) => record.profile === profile) || (await hasFullWays(commands));
}

/** Takes away full tunnels of devices that belong to none of the profiles any more. */
export async function removeStrayFullWays(commands: Commands, devices: ReadonlySet<string>): Promise<void> {
  for (const device of await fullTunnelsHere(commands))
    if (!devices.has(device)) await removeFullWays(commands, device);
}

/**
 * Takes away what a supervisor that did not end in order left: the interface with its routes, what sent everything into it, and changed names. None is fine.
 * Returns a sentence for each thing about names that it put right.
 */
export async function leaveNothing({
  commands,
  runFolder,
  profile,
  device,
  privateKeyFile,
}: LeftOver): Promise<readonly string[]> {
  const tunnel = new LinuxTunnel({ commands, runDir: runFolder, privateKeyFile });
  if (existsSync(`/sys/class/net/${device}`)) await tunnel.remove(device);
  await removeFullWays(commands, device);
  const repaired = await repairNames(SYSTEM_PATHS, commands);
  for (const file of [`${profile}.log`, `${profile}.sock`, `${profile}.pid`, `${device}.conf`, `${device}.nft`])
    rmSync(join(runFolder, file), { force: true });
  if (existsSync(runFolder) && readdirSync(runFolder).length === 0) rmdirSync(runFolder);
  return repaired;
}

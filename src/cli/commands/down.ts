import { SYSTEM_PATHS } from '../names/paths.ts';
import { repairNames } from '../names/repair.ts';
import { tell } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { step } from '../progress.ts';
import { asRoot, needsRoot, unknownPlatform } from '../root.ts';
import { leaveNothing, removeStrayFullWays } from '../supervisor/left-over.ts';
import { stopSupervisor } from '../supervisor/supervisor-process.ts';
import { hasFullWays } from '../tunnel/full-ways.ts';

export interface DownOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
}

/** Takes the tunnel of a profile down, as root, also one whose supervisor was killed; nothing of it stays. Returns the exit status. */
export async function down(name: string, { profiles, runFolder }: DownOptions): Promise<number> {
  if (needsRoot()) return asRoot(['down', name, '--profiles', profiles.folder], 'Taking the interface away');
  if (process.platform !== 'linux') return downElsewhere(process.platform, name, profiles);
  const repaired = await step(`Taking ${name} down`, async () => {
    await stopSupervisor(runFolder, name);
    const { device } = profiles.profile(name);
    return leaveNothing({
      commands: ownCommands(),
      runFolder,
      profile: name,
      device,
      privateKeyFile: profiles.privateKeyFile(name),
    });
  });
  for (const text of repaired) tell(text);
  tell(`${name} is down`);
  return 0;
}

/** Takes away what full tunnels of profiles that are gone left on this Linux machine, as root. Returns the exit status. */
export async function downStrays({ profiles }: Pick<DownOptions, 'profiles'>): Promise<number> {
  if (process.platform !== 'linux' || !(await hasFullWays(ownCommands()))) return 0;
  if (needsRoot()) return asRoot(['down', '--all', '--profiles', profiles.folder], 'Taking a full tunnel away');
  await removeStrayFullWays(ownCommands(), new Set(profiles.names().map((name) => profiles.profile(name).device)));
  await repairNames(SYSTEM_PATHS, ownCommands());
  return 0;
}

async function downElsewhere(platform: string, name: string, profiles: Profiles): Promise<number> {
  const { stepsDown, take } = await import('../tunnel/elsewhere.ts');
  if (platform !== 'darwin' && platform !== 'win32') throw unknownPlatform(platform);
  await take(stepsDown(platform, profiles.read(name), profiles), ownCommands());
  tell(`${name} is down`);
  return 0;
}

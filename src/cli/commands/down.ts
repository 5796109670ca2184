import { tell } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { step } from '../progress.ts';
import { asRoot, isRoot } from '../root.ts';
import { leaveNothing } from '../supervisor/left-over.ts';
import { stopSupervisor } from '../supervisor/supervisor-process.ts';

export interface DownOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
}

/** Takes the tunnel of a profile down, as root, also one whose supervisor was killed; nothing of it stays. Returns the exit status. */
export async function down(name: string, { profiles, runFolder }: DownOptions): Promise<number> {
  if (!isRoot()) return asRoot(['down', name, '--profiles', profiles.folder], 'Taking the interface away');
  const repaired = await step(`Taking ${name} down`, async () => {
    await stopSupervisor(runFolder, name);
    const { device } = profiles.read(name).profile;
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

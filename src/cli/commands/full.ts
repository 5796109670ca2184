import { fullProblem } from '../../laptop/full/full-configuration.ts';
import { UserError } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import type { JoinedProfile, Profiles } from '../profiles/profiles.ts';
import type { TunnelStatus } from '../supervisor/status.ts';
import { askSupervisor } from '../supervisor/status-socket.ts';
import { fullTunnelsHere } from '../tunnel/full-ways.ts';

interface FullWish {
  readonly profiles: Profiles;
  readonly runFolder: string;
  readonly names: boolean;
}

/** Why this profile cannot have a full tunnel, as far as anybody can see. @throws {UserError} in one sentence with the remedy */
export async function refuseFull({ profile, configuration }: JoinedProfile, wish: FullWish): Promise<void> {
  if (!wish.names)
    throw new UserError('--full sends all names into the cluster and --no-names none; leave one of them out');
  const problem = fullProblem(configuration);
  if (problem !== undefined) throw new UserError(problem);
  for (const name of wish.profiles.names()) {
    const there = name === profile.name ? undefined : await askSupervisor(wish.runFolder, name);
    if (there?.full === true) throw taken(name);
  }
}

/** The same for what one that was killed left, which only root sees. @throws {UserError} */
export async function refuseSecondFull({ profile }: JoinedProfile, { profiles }: FullWish): Promise<void> {
  const others = (await fullTunnelsHere(ownCommands())).filter((device) => device !== profile.device);
  const owner = profiles.names().find((name) => others.includes(profiles.profile(name).device));
  if (others.length > 0) throw taken(owner ?? `the owner of ${others.join(', ')}`);
}

/** What to say when the tunnel is up already. @throws {UserError} when it is not the one that was asked for */
export function alreadyUp({ full = false }: TunnelStatus, name: string, wishesFull: boolean): string {
  if (wishesFull && !full)
    throw new UserError(
      `${name} is up without --full; take it down first: sallyport down ${name}, then: sallyport up ${name} --full`,
    );
  return `${name} is up already${full ? ', with --full' : ''}; see: sallyport status`;
}

function taken(other: string): UserError {
  return new UserError(
    `${other} is up with --full, and everything can go into one tunnel only; take that one down first: sallyport down ${other}`,
  );
}

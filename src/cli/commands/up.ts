import { type Overlap, overlapsOf, type Routed } from '../../laptop/overlap.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { cidrLength, parseCidr } from '../../net/cidr.ts';
import { tell, UserError } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import type { JoinedProfile, Profiles } from '../profiles/profiles.ts';
import { step } from '../progress.ts';
import { asRoot, needsRoot, unknownPlatform } from '../root.ts';
import { askSupervisor } from '../supervisor/status-socket.ts';
import { startSupervisor } from '../supervisor/supervisor-process.ts';
import { removeFullWays } from '../tunnel/full-ways.ts';
import { otherRoutes } from '../tunnel/other-routes.ts';
import { alreadyUp, refuseFull, refuseSecondFull } from './full.ts';

export interface UpOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
  readonly names: boolean;
  /** Everything goes into the tunnel, and nothing beside it. */
  readonly full: boolean;
  readonly verbose: boolean;
}

/** Brings the tunnel of a profile up, as root; does nothing when it is. Returns the exit status. @throws {UserError} */
export async function up(joined: JoinedProfile, options: UpOptions): Promise<number> {
  const { name } = joined.profile;
  const there = await askSupervisor(options.runFolder, name);
  if (there !== undefined) {
    tell(alreadyUp(there, name, options.full));
    return 0;
  }
  if (options.full) await refuseFull(joined, options);
  if (needsRoot()) return asRoot(upWords(name, options), 'Bringing the interface up');
  if (process.platform !== 'linux') return upElsewhere(process.platform, joined, options);
  const { runFolder, names, full, profiles, verbose } = options;
  await refuseOverlaps(joined, options);
  const words = { profile: name, profiles: profiles.folder, runFolder, names, full, verbose };
  const { did = [], unanswered = [] } = await step(`Bringing ${name} up`, () => startSupervisor(words));
  if (options.verbose) for (const line of did) tell(`  ${line}`);
  for (const notice of await shadows(joined)) tell(notice);
  if (unanswered.length > 0) tell(noAnswer(name, unanswered));
  if (profiles.isRotating(name))
    tell(
      `Mind: a change of the key of ${name} has not come to its end, and both keys are let in; go on with: sallyport rotate ${name}`,
    );
  return 0;
}

/** Where WireGuard's own programs hold the tunnel. */
async function upElsewhere(platform: string, joined: JoinedProfile, options: UpOptions): Promise<number> {
  const { stepsUp, take } = await import('../tunnel/elsewhere.ts');
  if (platform !== 'darwin' && platform !== 'win32') throw unknownPlatform(platform);
  const steps = stepsUp(platform, joined, options.profiles, options);
  await step(`Bringing ${joined.profile.name} up`, () => take(steps, ownCommands()));
  return 0;
}

/** The same without a process of its own: holds the tunnel up until it is interrupted, then takes it down. */
export async function upHere(joined: JoinedProfile, options: UpOptions): Promise<number> {
  const { name } = joined.profile;
  if (process.platform !== 'linux')
    throw new UserError(`--foreground is for Linux: here WireGuard's own programs hold the tunnel; leave it out`);
  if (options.full) await refuseFull(joined, options);
  if (needsRoot()) return asRoot([...upWords(name, options), '--foreground'], 'Bringing the interface up');
  if ((await askSupervisor(options.runFolder, name)) !== undefined)
    throw new UserError(`${name} is up already; take it down first: sallyport down ${name}`);
  await refuseOverlaps(joined, options);
  const { supervise } = await import('./supervise.ts');
  const onReady = ({ problem }: { readonly problem?: string }) => tell(problem ?? `${name} is up; end with Ctrl-C`);
  const status = await supervise(name, { ...options, onReady });
  // Interrupted by whoever holds it up: that is a wish.
  if (options.full && status === 0) await removeFullWays(ownCommands(), joined.profile.device);
  return status;
}

/** A gateway with another key than the profile's says nothing at all, as one behind a firewall does. */
function noAnswer(name: string, gateways: readonly string[]): string {
  return `No answer yet from gateway ${gateways.join(', ')}; find out why with: sallyport doctor ${name}. If the gateway got another key while this tunnel was down: sallyport down ${name} && sallyport join --profile ${name}`;
}

function upWords(name: string, { profiles, names, full, verbose }: UpOptions): readonly string[] {
  const flags = [...(names ? [] : ['--no-names']), ...(full ? ['--full'] : []), ...(verbose ? ['--verbose'] : [])];
  return ['up', name, '--profiles', profiles.folder, ...flags];
}

/** A packet can follow one tunnel only, so of two profiles that lead to the same range one has to be down. */
async function refuseOverlaps(joined: JoinedProfile, options: UpOptions): Promise<void> {
  if (options.full) await refuseSecondFull(joined, options);
  const { profile, configuration } = joined;
  const { profiles, runFolder } = options;
  const others: Routed[] = [];
  for (const name of profiles.names()) {
    const there = name === profile.name ? undefined : await askSupervisor(runFolder, name);
    if (there !== undefined) others.push({ name, cidrs: there.routes.flatMap(cidrOf) });
  }
  const [first, ...more] = overlapsOf(rangesOf(configuration), others);
  if (first !== undefined) throw overlapping(profile.name, first, more.length);
}

/** A more specific route of another program keeps a part of the cluster's ranges from the tunnel; that is told, not changed. */
async function shadows({ profile, configuration }: JoinedProfile): Promise<readonly string[]> {
  const others = await otherRoutes(ownCommands(), profile.device);
  const taken = overlapsOf(rangesOf(configuration), others).filter(
    ({ mine, theirs }) => cidrLength(theirs) > cidrLength(mine),
  );
  return taken.map(
    ({ mine, theirs, other }) =>
      `Mind: ${theirs} goes to ${other} on this machine, so what the cluster has there in ${mine} is not reached`,
  );
}

function overlapping(name: string, { mine, theirs, other }: Overlap, more: number): UserError {
  const also = more === 0 ? '' : ` (and ${more} more ranges)`;
  return new UserError(
    `${name} leads to ${mine}, and ${other}, which is up, to ${theirs}${also}: a packet can follow one of them only. Take the other one down (sallyport down ${other}), or have one of the clusters use other ranges (spec.advertise of its MeshGateway, pool.cidrs of its chart)`,
  );
}

function rangesOf({ gateways }: ClientConfiguration) {
  return gateways.flatMap(({ allowedIPs }) => allowedIPs);
}

function cidrOf(text: string) {
  const cidr = parseCidr(text);
  return cidr.ok ? [cidr.value] : [];
}

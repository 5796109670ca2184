import { rmSync, writeFileSync } from 'node:fs';
import type { Commands } from '../../host/exec.ts';
import { fullConfiguration } from '../../laptop/full/full-configuration.ts';
import { splitNames } from '../../laptop/names/split-names.ts';
import { macosDown, macosUp } from '../../laptop/platform/macos.ts';
import { type PlatformStep, type PlatformTunnel, withoutDns } from '../../laptop/platform/plan.ts';
import { windowsDown, windowsUp } from '../../laptop/platform/windows.ts';
import { keyedWgQuick } from '../../laptop/renderings.ts';
import { type Parsed, parsed } from '../../net/parsed.ts';
import { UserError } from '../output.ts';
import type { JoinedProfile, Profiles } from '../profiles/profiles.ts';

/** An operating system on which WireGuard's own programs hold the tunnel, without a supervisor of ours. */
export type Elsewhere = 'darwin' | 'win32';

/** What bringing the profile up takes on that system. @throws {UserError} when it cannot be done there */
export function stepsUp(
  platform: Elsewhere,
  joined: JoinedProfile,
  profiles: Profiles,
  { names, full }: { readonly names: boolean; readonly full: boolean },
): readonly PlatformStep[] {
  const wished = names ? namesOf(joined, full) : undefined;
  const tunnel = tunnelOf(joined, profiles, full);
  const steps: Parsed<readonly PlatformStep[]> =
    platform === 'darwin' ? macosUp(tunnel, wished) : parsed(windowsUp(tunnel, wished));
  if (!steps.ok) throw new UserError(steps.problem);
  return steps.value;
}

/** What taking it down takes. */
export function stepsDown(platform: Elsewhere, joined: JoinedProfile, profiles: Profiles): readonly PlatformStep[] {
  const tunnel = tunnelOf(joined, profiles, false);
  return platform === 'darwin' ? macosDown(tunnel, namesOf(joined, false)) : windowsDown(tunnel);
}

/** Takes the steps in their order. @throws at the first that fails, unless that is fine */
export async function take(steps: readonly PlatformStep[], commands: Commands): Promise<void> {
  for (const step of steps) {
    if (step.kind === 'write') write(step);
    else if (step.kind === 'delete') rmSync(step.path, { force: true });
    else if (step.lenient === true) await commands.run(step.argv).catch(() => undefined);
    else await commands.run(step.argv);
  }
}

/** Anew, so that neither a link nor the rights of a former file count. */
function write({ path, text, secret }: PlatformStep & { readonly kind: 'write' }): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: secret ? 0o600 : 0o644, flag: 'wx' });
}

function tunnelOf({ profile, configuration }: JoinedProfile, profiles: Profiles, full: boolean): PlatformTunnel {
  const whole = full ? fullConfiguration(configuration) : parsed(configuration);
  if (!whole.ok) throw new UserError(whole.problem);
  const text = keyedWgQuick(whole.value, profiles.keys(profile.name));
  return { profile: profile.name, device: profile.device, text: full ? text : withoutDns(text) };
}

function namesOf({ configuration }: JoinedProfile, everything: boolean) {
  const names = splitNames(configuration, { hasShortNames: true, everything });
  if (!names.ok) throw new UserError(`the names of the cluster: ${names.problem}`);
  return names.value;
}

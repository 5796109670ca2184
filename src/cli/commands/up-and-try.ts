import { askSystemResolver } from '../doctor/system-resolver.ts';
import { styled, tell } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import type { JoinedProfile } from '../profiles/profiles.ts';
import { step } from '../progress.ts';
import { type UpOptions, up } from './up.ts';

/** Brings the tunnel up for the first time, looks a name of the cluster up as any program would, and says how to go on. */
export async function upAndTry(joined: JoinedProfile, options: UpOptions): Promise<number> {
  const status = await up(joined, options);
  if (status !== 0) return status;
  const { profile, configuration } = joined;
  const { dns } = configuration;
  if (dns !== undefined && options.names) await tryName(`kubernetes.default.svc.${dns.domain}`);
  const domain = dns?.domain ?? 'cluster.local';
  tell(
    `${styled('bold', 'Joined', process.stderr)} as ${profile.namespace}/${profile.peer}, ${configuration.addresses.join(', ')}. Services answer by their names:`,
  );
  tell(`  curl http://SERVICE.${profile.namespace}.svc.${domain}`);
  tell('  sallyport status   how the tunnel is');
  tell(`  sallyport down     take it down; sallyport up brings it back, without Kubernetes credentials`);
  return 0;
}

async function tryName(name: string): Promise<void> {
  const found = await step(`Looking up ${name}`, () => askSystemResolver(ownCommands(), name));
  if (found.kind === 'not-found') tell(`${name} is not found (${found.code}); find out why with: sallyport doctor`);
}

import { print } from '../output.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { askSupervisor } from '../supervisor/status-socket.ts';
import { aligned } from '../table.ts';

/** Prints the profiles of this person, a line each. */
export async function list(profiles: Profiles, runFolder: string, output: 'text' | 'json'): Promise<void> {
  const all = profiles.names().map((name) => profiles.profile(name));
  if (output === 'json') return print(JSON.stringify(all, undefined, 2));
  if (all.length === 0) return print('no profiles; join the cluster of your kubeconfig with: sallyport join');
  const rows = await Promise.all(
    all.map(async ({ name, namespace, peer, server, expiresAt }) => [
      name,
      (await askSupervisor(runFolder, name)) === undefined ? 'down' : 'up',
      `${namespace}/${peer}`,
      server,
      expiresAt ?? 'never',
    ]),
  );
  print(aligned([['profile', 'tunnel', 'meshpeer', 'cluster', 'expires'], ...rows]));
}

import { publicKeyOf } from '../../net/key-pair.ts';
import { type ClusterOptions, connect } from '../cluster/connect.ts';
import { deletePeer } from '../cluster/peer.ts';
import { refusal } from '../cluster/refusal.ts';
import { tell, UserError } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { step } from '../progress.ts';
import { mayHaveLeft } from '../supervisor/left-over.ts';
import { down } from './down.ts';

export interface LeaveOptions extends ClusterOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
  /** Leaves the MeshPeer in the cluster, which may be out of reach or gone. */
  readonly local: boolean;
}

/** Takes the tunnel down, deletes the MeshPeer and forgets the profile, in this order, so that what fails can be repeated. */
export async function leave(name: string, options: LeaveOptions): Promise<number> {
  const { profiles, runFolder, local, ...cluster } = options;
  const { profile } = profiles.read(name);
  const { device } = profile;
  // Elsewhere than on Linux nobody can be asked.
  if (
    process.platform !== 'linux' ||
    (await mayHaveLeft({ commands: ownCommands(), runFolder, profile: name, device }))
  ) {
    const status = await down(name, { profiles, runFolder });
    if (status !== 0) return status;
  }
  if (!local) await deleteInCluster(name, profiles, { context: profile.context, ...cluster });
  profiles.remove(name);
  tell(`Left ${profile.namespace}/${profile.peer}; nothing of ${name} is on this device any more`);
  return 0;
}

async function deleteInCluster(name: string, profiles: Profiles, options: ClusterOptions): Promise<void> {
  const { namespace, peer, server } = profiles.read(name).profile;
  const keys = [profiles.privateKey(name), profiles.nextPrivateKey(name), profiles.formerPrivateKey(name)]
    .flatMap((key) => key ?? [])
    .map(publicKeyOf);
  try {
    const cluster = await connect(options);
    if (cluster.server !== server)
      throw new UserError(
        `the kubeconfig leads to ${cluster.server}, and ${name} is of ${server}; choose its --context, or forget it on this device alone with --local`,
      );
    const outcome = await step(`Deleting MeshPeer ${namespace}/${peer}`, () =>
      deletePeer(cluster.client, { namespace, name: peer }, keys),
    );
    if (outcome === 'not ours') tell(`MeshPeer ${namespace}/${peer} is another device's by now and stays`);
  } catch (error) {
    throw refusal(error, { server, namespace, act: 'delete MeshPeers' });
  }
}

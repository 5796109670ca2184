import { randomBytes } from 'node:crypto';
import type { PrivateKey } from '../../net/key.ts';
import { keyPairFrom, publicKeyOf } from '../../net/key-pair.ts';
import { type ClusterOptions, connect } from '../cluster/connect.ts';
import { changeKey, untilAccepted } from '../cluster/peer.ts';
import { refusal } from '../cluster/refusal.ts';
import { tell, UserError } from '../output.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { step } from '../progress.ts';
import { askSupervisor } from '../supervisor/status-socket.ts';

export interface RotateOptions extends ClusterOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
}

/**
 * Gives the device another key; its address and its MeshPeer stay. The next key is stored before the cluster hears of it and both are
 * kept until the gateways know it, so that whatever breaks off in between can be repeated. A tunnel that is up takes the key as soon as it is
 * the profile's: its supervisor watches for that.
 */
export async function rotate(name: string, options: RotateOptions): Promise<number> {
  const { profiles, runFolder, ...given } = options;
  const { profile } = profiles.read(name);
  const { namespace, peer, server } = profile;
  const present = profiles.privateKey(name);
  if (present === undefined) throw new UserError(`profile ${name} has no key; join again with: sallyport join`);
  const next = nextKey(profiles, name);
  const [from, to] = [publicKeyOf(present), publicKeyOf(next)];
  try {
    const { client } = await connect({ context: profile.context, ...given });
    await step(`Giving ${namespace}/${peer} another key`, async (say) => {
      await changeKey(client, { namespace, name: peer }, { from, to });
      // Not until every node has it: from now on they forget the former key, one by one.
      await untilAccepted(client, { namespace, name: peer, publicKey: to }, say);
    });
  } catch (error) {
    throw refusal(error, { server, namespace, act: 'change MeshPeers' });
  }
  profiles.takeNextPrivateKey(name);
  if (process.platform !== 'linux') {
    tell(`${namespace}/${peer} has the key ${to} now; take the tunnel down and up again`);
    return 0;
  }
  const isUp = (await askSupervisor(runFolder, name)) !== undefined;
  tell(`${namespace}/${peer} has the key ${to} now${isUp ? ', and the tunnel goes on with it' : ''}`);
  return 0;
}

function nextKey(profiles: Profiles, name: string): PrivateKey {
  const begun = profiles.nextPrivateKey(name);
  if (begun !== undefined) return begun;
  const { privateKey } = keyPairFrom(randomBytes(32));
  profiles.writeNextPrivateKey(name, privateKey);
  return privateKey;
}

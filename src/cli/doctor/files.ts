import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { FilesFinding, KeyFinding } from '../../laptop/doctor/findings.ts';
import { publicKeyOf } from '../../net/key-pair.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { messageOf } from './looked.ts';

const PERMISSIONS = 0o777;

/** Reads the profile's files; what is wrong with them is a finding. */
export function lookAtFiles(profiles: Profiles, name: string): FilesFinding {
  try {
    const { profile, configuration } = profiles.read(name);
    const other = profiles.nextPrivateKey(name) ?? profiles.formerPrivateKey(name);
    return {
      kind: 'read',
      profile,
      configuration,
      key: keyOf(profiles, name),
      otherPublicKey: other === undefined ? undefined : publicKeyOf(other),
      hasPresharedKeyFile: profiles.presharedKeyFile(name) !== undefined,
    };
  } catch (error) {
    const [problem = ''] = messageOf(error).split('; join again');
    return { kind: 'unusable', problem, folder: dirname(profiles.privateKeyFile(name)) };
  }
}

function keyOf(profiles: Profiles, name: string): KeyFinding {
  const file = profiles.privateKeyFile(name);
  try {
    const key = profiles.privateKey(name);
    if (key === undefined) return { kind: 'absent' };
    return { kind: 'read', file, mode: statSync(file).mode & PERMISSIONS, publicKey: publicKeyOf(key) };
  } catch (error) {
    return { kind: 'unusable', problem: messageOf(error).split('; join again', 1).join() };
  }
}

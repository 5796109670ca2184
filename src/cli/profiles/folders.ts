import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from './profiles.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What is up is kept here, by root; nobody's home. */
export const RUN_FOLDER = '/run/sallyport';

/**
 * The folder of a person's profiles (XDG Base Directory Specification). Under sudo it is that of whoever called it, whose profiles
 * they are.
 */
export function profilesFolder(env: Environment, passwd: () => string = readPasswd): string {
  const home = env.SUDO_USER === undefined ? undefined : homeOf(env.SUDO_USER, passwd());
  const config = env.XDG_CONFIG_HOME || join(home ?? env.HOME ?? homedir(), '.config');
  return join(config, 'sallyport', 'profiles');
}

/** Who called sudo, whose the files are that root writes for them; undefined without sudo. */
export function callerOf(env: Environment): Owner | undefined {
  const [uid, gid] = [Number(env.SUDO_UID ?? Number.NaN), Number(env.SUDO_GID ?? Number.NaN)];
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : undefined;
}

/** The home of a user by the text of /etc/passwd (passwd(5)). */
function homeOf(user: string, passwd: string): string | undefined {
  const line = passwd.split('\n').find((text) => text.startsWith(`${user}:`));
  return line?.split(':')[5];
}

function readPasswd(): string {
  return readFileSync('/etc/passwd', 'utf8');
}

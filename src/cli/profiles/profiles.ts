import {
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Profile, parseProfile, profileName } from '../../laptop/profile.ts';
import type { DeviceKeys } from '../../laptop/renderings.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { parseWgQuick, wgQuick } from '../../mesh/wg-quick.ts';
import { type PrivateKey, parsePresharedKey, parsePrivateKey } from '../../net/key.ts';
import { UserError } from '../output.ts';

/** The files of a profile, below its folder. */
const PROFILE = 'profile.json';
const CONFIGURATION = 'sallyport.conf';
const PRIVATE_KEY = 'private.key';
const NEXT_PRIVATE_KEY = 'next-private.key';
const FORMER_PRIVATE_KEY = 'former-private.key';
const PRESHARED_KEY = 'preshared.key';

/** Of files, as chown(2) takes it. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A profile with what stands beside it. */
export interface JoinedProfile {
  readonly profile: Profile;
  readonly configuration: ClientConfiguration;
}

/** The profiles of one person, a folder each; all but their list is private to that person. */
export class Profiles {
  readonly folder: string;
  readonly #owner: Owner | undefined;

  /** `owner` is whose files they shall be where root writes them for somebody else. */
  constructor(folder: string, owner?: Owner) {
    this.folder = folder;
    this.#owner = owner;
  }

  /** The names of all, sorted; one that never got as far as a profile is not one. */
  names(): readonly string[] {
    if (!existsSync(this.folder)) return [];
    return readdirSync(this.folder)
      .filter((name) => profileName(name).ok && existsSync(this.#file(name, PROFILE)))
      .sort();
  }

  /** @throws {UserError} when it is not there or cannot be read */
  read(name: string): JoinedProfile {
    return {
      profile: this.profile(name),
      configuration: this.#parsed(this.#existing(name, CONFIGURATION), parseWgQuick),
    };
  }

  /** The profile without what stands beside it, which may be unreadable. @throws {UserError} */
  profile(name: string): Profile {
    return this.#parsed(this.#existing(name, PROFILE), parseProfile);
  }

  /** The one that is meant: the named one, or the only one there is. @throws {UserError} */
  choose(name: string | undefined): JoinedProfile {
    return this.read(this.chooseName(name));
  }

  /** Its name alone. @throws {UserError} */
  chooseName(name: string | undefined): string {
    if (name !== undefined) return nameOrThrow(name);
    const [first, ...others] = this.names();
    if (first === undefined)
      throw new UserError(
        'this device has joined no cluster yet; join the one of your kubeconfig with: sallyport join',
      );
    if (others.length > 0)
      throw new UserError(`there are several profiles: ${this.names().join(', ')}; say which, or --all`);
    return first;
  }

  /** Stores all but the keys; what was there is replaced in one step. */
  write({ profile, configuration }: JoinedProfile): void {
    this.#replace(this.#file(profile.name, CONFIGURATION), wgQuick(configuration));
    this.#replace(this.#file(profile.name, PROFILE), `${JSON.stringify(profile, undefined, 2)}\n`);
  }

  writeConfiguration(name: string, configuration: ClientConfiguration): void {
    this.#replace(this.#file(name, CONFIGURATION), wgQuick(configuration));
  }

  /** Forgets a profile, its keys included. */
  remove(name: string): void {
    rmSync(join(this.folder, nameOrThrow(name)), { recursive: true, force: true });
  }

  privateKeyFile(name: string): string {
    return this.#file(name, PRIVATE_KEY);
  }

  /** The preshared key's file, where the profile has one. */
  presharedKeyFile(name: string): string | undefined {
    const file = this.#file(name, PRESHARED_KEY);
    return existsSync(file) ? file : undefined;
  }

  writePresharedKey(name: string, key: string): void {
    this.#replace(this.#file(name, PRESHARED_KEY), `${key}\n`);
  }

  /** The profile's private key; undefined when it has none yet. @throws {UserError} when it is no key */
  privateKey(name: string): PrivateKey | undefined {
    const file = this.#file(name, PRIVATE_KEY);
    return existsSync(file) ? this.#parsed(file, parsePrivateKey) : undefined;
  }

  /** The keys of a profile that has joined. @throws {UserError} when it has none */
  keys(name: string): DeviceKeys {
    const privateKey = this.privateKey(name);
    if (privateKey === undefined) throw new UserError(`profile ${name} has no key; join again with: sallyport join`);
    const file = this.presharedKeyFile(name);
    return file === undefined ? { privateKey } : { privateKey, presharedKey: this.#parsed(file, parsePresharedKey) };
  }

  writePrivateKey(name: string, key: PrivateKey): void {
    this.#replace(this.#file(name, PRIVATE_KEY), `${key}\n`);
  }

  /** The key that a rotation under way changes to: it is kept beside the other until the cluster has taken it. */
  nextPrivateKey(name: string): PrivateKey | undefined {
    return this.#otherKey(name, NEXT_PRIVATE_KEY);
  }

  /** The key that a rotation under way has changed from: it is kept until the cluster has been told that it is not needed any more. */
  formerPrivateKey(name: string): PrivateKey | undefined {
    return this.#otherKey(name, FORMER_PRIVATE_KEY);
  }

  /** Whether a rotation has begun and not come to its end. */
  isRotating(name: string): boolean {
    return [NEXT_PRIVATE_KEY, FORMER_PRIVATE_KEY].some((file) => existsSync(this.#file(name, file)));
  }

  writeNextPrivateKey(name: string, key: PrivateKey): void {
    this.#replace(this.#file(name, NEXT_PRIVATE_KEY), `${key}\n`);
  }

  /** The next key becomes the key, in one step; the one before is kept as the former. */
  takeNextPrivateKey(name: string): void {
    this.#replace(this.#file(name, FORMER_PRIVATE_KEY), `${this.keys(name).privateKey}\n`);
    renameSync(this.#file(name, NEXT_PRIVATE_KEY), this.#file(name, PRIVATE_KEY));
  }

  /** The former key becomes the key again, in one step; the one before is kept as the next. */
  takeFormerPrivateKey(name: string): void {
    this.writeNextPrivateKey(name, this.keys(name).privateKey);
    renameSync(this.#file(name, FORMER_PRIVATE_KEY), this.#file(name, PRIVATE_KEY));
  }

  /** Forgets all but the key. */
  endRotation(name: string): void {
    for (const file of [NEXT_PRIVATE_KEY, FORMER_PRIVATE_KEY]) rmSync(this.#file(name, file), { force: true });
  }

  /** What equals the key itself was left by whoever was broken off between two steps, and counts for nothing. */
  #otherKey(name: string, of: string): PrivateKey | undefined {
    const file = this.#file(name, of);
    if (!existsSync(file)) return undefined;
    const key = this.#parsed(file, parsePrivateKey);
    return key === this.privateKey(name) ? undefined : key;
  }

  #file(name: string, file: string): string {
    return join(this.folder, nameOrThrow(name), file);
  }

  #existing(name: string, file: string): string {
    const path = this.#file(name, file);
    if (existsSync(path)) return path;
    const known = this.names();
    const there = known.length === 0 ? 'there is none yet: sallyport join' : `there are: ${known.join(', ')}`;
    throw new UserError(`there is no profile "${name}"; ${there}`);
  }

  #parsed<T>(file: string, parse: (text: string) => { ok: true; value: T } | { ok: false; problem: string }): T {
    const result = parse(readFileSync(file, 'utf8'));
    if (result.ok) return result.value;
    throw new UserError(`${file}: ${result.problem}; join again with: sallyport join`);
  }

  /** Whole or not at all, readable by its owner alone. */
  #replace(file: string, text: string): void {
    const made = mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const next = `${file}.new`;
    // Never through a link that somebody put there for root to follow.
    rmSync(next, { force: true });
    writeFileSync(next, text, { mode: 0o600, flag: 'wx' });
    if (this.#owner !== undefined)
      for (const path of [next, ...foldersFrom(made, dirname(file))]) chown(path, this.#owner);
    renameSync(next, file);
  }
}

function chown(path: string, { uid, gid }: Owner): void {
  lchownSync(path, uid, gid);
}

/** The folders from the first that had to be made to the last. */
function foldersFrom(first: string | undefined, last: string): readonly string[] {
  if (first === undefined || !last.startsWith(first)) return [];
  return last === first ? [last] : [...foldersFrom(first, dirname(last)), last];
}

function nameOrThrow(name: string): string {
  const valid = profileName(name);
  if (!valid.ok) throw new UserError(valid.problem);
  return valid.value;
}

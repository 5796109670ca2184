import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePresharedKey } from '../net/key.ts';
import { watchFolder } from './watch-folder.ts';

/** So many files are open at once at most. */
const AT_ONCE = 64;
const FINGERPRINT_BYTES = 12;

/**
 * The folder in which a node finds preshared keys, a file each. `wg` reads the files itself; what leaves this class are
 * fingerprints, salted anew by every process, so that nothing can be told from one that is seen.
 */
export class PresharedKeyFolder {
  /** Undefined where the node has none. */
  readonly #folder: string | undefined;
  readonly #salt = randomBytes(32);
  #known: ReadonlyMap<string, string> = new Map();

  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /** Where the files are, for an argv. */
  get path(): string {
    return this.#folder ?? '';
  }

  fingerprint(presharedKey: string): string {
    const hash = createHash('sha256').update(this.#salt).update(presharedKey).digest();
    return hash.subarray(0, FINGERPRINT_BYTES).toString('base64url');
  }

  /**
   * The fingerprint of every key that is there, by the name of its file. A file that holds none counts as absent, so it lets nobody
   * in. A name stands for one key for ever, so each file is read once: of ten thousand, one that is new costs one.
   */
  async read(): Promise<ReadonlyMap<string, string>> {
    const names = await this.#names();
    const found = new Map<string, string>();
    for (const name of names) {
      const known = this.#known.get(name);
      if (known !== undefined) found.set(name, known);
    }
    const fresh = names.filter((name) => !found.has(name));
    for (let start = 0; start < fresh.length; start += AT_ONCE) {
      const some = fresh.slice(start, start + AT_ONCE);
      const keys = await Promise.all(some.map((name) => this.#key(name)));
      for (const [index, key] of keys.entries())
        if (key?.ok === true) found.set(some[index] ?? '', this.fingerprint(key.value));
    }
    this.#known = found;
    return found;
  }

  /** Calls `onChange` when the kubelet has put other files there. */
  watch(signal: AbortSignal, onChange: () => void): void {
    if (this.#folder !== undefined) watchFolder(this.#folder, signal, onChange);
  }

  /** What begins with a dot is the kubelet's own way of changing all files at once. */
  async #names(): Promise<readonly string[]> {
    if (this.#folder === undefined) return [];
    try {
      return (await readdir(this.#folder)).filter((name) => !name.startsWith('.'));
    } catch (error) {
      if (isAbsent(error)) return [];
      throw new Error(`list the preshared keys in ${this.#folder}`, { cause: error });
    }
  }

  /** Undefined when the file went away meanwhile; then the folder is looked at again. */
  async #key(name: string): Promise<ReturnType<typeof parsePresharedKey> | undefined> {
    const file = join(this.path, name);
    try {
      return parsePresharedKey(await readFile(file, 'utf8'));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw new Error(`read the preshared key at ${file}`, { cause: error });
    }
  }
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Whoever begins with an empty file is done after so long, in milliseconds. */
const SETTLE_MS = 100;
/** Somebody who always puts back his own is met at once so many times, then more and more rarely. */
const QUICK_TIMES = 5;
/** In milliseconds. */
const LONGEST_MS = 30_000;
/** After so long in peace the quarrel is forgotten, in milliseconds. */
const CALM_MS = 60_000;

/** Tells, a moment later and one call at a time, that something has changed in a set of files and folders. */
export class Changes {
  readonly #onChange: () => Promise<boolean>;
  readonly #watchers: Map<string, FSWatcher>;
  #timer: NodeJS.Timeout | undefined;
  #isBusy: boolean;
  #isDue: boolean;
  #isClosed: boolean;
  #quarrels: number;
  #lastQuarrel: number;

  /** `onChange` tells whether somebody else's change had to be met; it never rejects. */
  constructor(onChange: () => Promise<boolean>) {
    this.#onChange = onChange;
    this.#watchers = new Map();
    this.#isBusy = false;
    this.#isDue = false;
    this.#isClosed = false;
    this.#quarrels = 0;
    this.#lastQuarrel = 0;
  }

  /** Watches these files, and all files of folders that end in a slash; a folder that is not there is passed over. */
  watch(paths: readonly string[]): void {
    if (this.#isClosed) return;
    for (const [path, watcher] of this.#watchers) {
      if (paths.includes(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    for (const path of paths) if (!this.#watchers.has(path)) this.#begin(path);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** A file is replaced by renaming another, so its folder is what can be watched. */
  #begin(path: string): void {
    const isFolder = path.endsWith('/');
    try {
      const watcher = watch(isFolder ? path : dirname(path), (_, name) => {
        if (isFolder || name === null || name === basename(path)) this.#changed();
      });
      // Its folder was removed; the next look begins anew where it is there again.
      watcher.on('error', () => {
        watcher.close();
        this.#watchers.delete(path);
        this.#changed();
      });
      this.#watchers.set(path, watcher);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  #changed(): void {
    if (this.#isClosed) return;
    this.#isDue = true;
    if (this.#isBusy || this.#timer !== undefined) return;
    const patience = SETTLE_MS * 2 ** Math.max(0, this.#quarrels - QUICK_TIMES);
    this.#timer = setTimeout(() => void this.#run(), Math.min(LONGEST_MS, patience));
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#isBusy = true;
    this.#isDue = false;
    const wasMet = await this.#onChange();
    this.#isBusy = false;
    const now = performance.now();
    if (now - this.#lastQuarrel > CALM_MS) this.#quarrels = 0;
    if (wasMet) {
      this.#quarrels += 1;
      this.#lastQuarrel = now;
    }
    // Our own change is heard too: the next look finds nothing left to do.
    if (this.#isDue) this.#changed();
  }
}

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Look } from './evidence-list.ts';
import { type ExecResult, run } from './exec.ts';

/** All of it together, and one command. What hangs must not hold up the run. */
const LIMIT_MS = 60_000;
/** Milliseconds that one command may take. */
export const COMMAND_MS = 15_000;

/** A folder that fills, and what it does not get. */
export class EvidenceWriter {
  readonly #folder: string;
  /** Aborts when there is no more time. */
  readonly signal = AbortSignal.timeout(LIMIT_MS);
  readonly #missing: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Notes that something is not to be had. */
  readonly missed = (what: string, why: unknown): void => {
    this.#missing.push(`${what}: ${why instanceof Error ? why.message : why}`);
  };

  /** Does something for the folder, for as long as there is time. */
  async take(what: string, work: () => Promise<void>): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const end = () => reject(new Error(`it took more than ${LIMIT_MS / 1000} s`));
    this.signal.addEventListener('abort', end, { once: true });
    try {
      if (this.signal.aborted) end();
      await Promise.race([work(), late]);
    } catch (error) {
      this.missed(what, error);
    } finally {
      this.signal.removeEventListener('abort', end);
    }
  }

  /** Writes what a command says, its complaints too. */
  look(place: string, { file, argv }: Look, ask: () => Promise<ExecResult>): Promise<void> {
    const path = join(place, file);
    return this.take(path, async () => {
      const { code, stdout, stderr } = await ask();
      if (code !== 0) this.missed(path, `${argv.join(' ')}: exit ${code}: ${stderr.trim()}`);
      const target = join(this.#folder, path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, stdout + stderr);
    });
  }

  /** Writes what is missing, and lets everybody read the folder, whoever made it. */
  async end(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    if (this.#missing.length > 0) await writeFile(join(this.#folder, 'missing.txt'), `${this.#missing.join('\n')}\n`);
    await run(['chmod', '-R', 'a+rX', this.#folder]);
  }
}

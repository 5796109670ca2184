import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Look, MACHINE, OBJECTS } from './evidence-list.ts';
import { type ExecResult, run, TIED } from './exec.ts';
import { captureFlows } from './flow-capture.ts';
import { labDirectory } from './record.ts';
import type { Cluster } from './running-cluster.ts';

/** All of it together, and one command. A cluster that hangs must not hold up the run. */
const LIMIT_MS = 60_000;
const COMMAND_MS = 15_000;

/**
 * Leaves in a folder what people need to find out why a test failed: all logs of the lab, our objects, what every kernel is made
 * to do, and a capture of the flow that failed. Never rejects, takes at most a minute, and notes in `missing.txt` what it could
 * not get, as with a cluster that is half up or gone.
 */
export async function collectEvidence(cluster: Cluster, folder: string): Promise<void> {
  const evidence = new Evidence(folder, AbortSignal.timeout(LIMIT_MS));
  const { signal } = evidence;
  const machines = [...cluster.nodes.map(at('nodes')), ...cluster.laptops.map(at('laptops'))];
  await Promise.all([
    evidence.take('logs', () => cp(`${labDirectory(cluster.name)}/logs`, join(folder, 'logs'), { recursive: true })),
    ...OBJECTS.map((look) => evidence.look('objects', look, () => kubectl(cluster, look.argv, signal))),
    ...machines.flatMap(({ place, machine }) =>
      MACHINE.map((look) => evidence.look(place, look, () => machine.exec(look.argv, { signal, timeout: COMMAND_MS }))),
    ),
  ]);
  // After the state was read: a replayed flow changes it.
  await evidence.take('flows', () => captureFlows(cluster, folder, { signal, missed: evidence.missed }));
  await evidence.end();
}

/** A folder that fills, and what it does not get. */
class Evidence {
  readonly #folder: string;
  readonly signal: AbortSignal;
  readonly #missing: string[] = [];

  constructor(folder: string, signal: AbortSignal) {
    this.#folder = folder;
    this.signal = signal;
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

function at<T extends { readonly name: string }>(kind: string): (machine: T) => { place: string; machine: T } {
  return (machine) => ({ place: join(kind, machine.name), machine });
}

function kubectl(cluster: Cluster, argv: readonly string[], signal: AbortSignal): Promise<ExecResult> {
  const words = [cluster.tools.path('kubectl'), '--request-timeout=10s', ...argv];
  return run([...TIED, ...words], { env: cluster.environment, signal, timeout: COMMAND_MS });
}

import { fileURLToPath } from 'node:url';
import { configMapType } from '../../../src/api/core.ts';
import { type ObjectKey, splitKey } from '../../../src/api/resource.ts';
import type { Running } from '../../../src/host/exec.ts';
import { type Reflector, startReflector } from '../../../src/k8s/reflector.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { Namespace } from '../../netns/namespace.ts';
import { wireguardGo } from '../../netns/support-usermode.ts';
import { aKey } from '../../support/builders.ts';
import { type BenchMesh, NAMESPACE } from './bench-mesh.ts';

const PROGRAM = fileURLToPath(new URL('programs/set-peer.ts', import.meta.url));
const DEVICE = 'wg-idle';
const EVERY_MS = 100;

/**
 * What no program on this API can beat, taken while something else is measured: a write's way to a watch that is already open, and
 * one `wg set` of one peer on an interface where nothing else happens.
 */
export class Floor {
  readonly #bench: BenchMesh;
  readonly #idle: IdleInterface;
  readonly #watch: Reflector<{ readonly metadata: { readonly name: string } }>;
  readonly #ending: AbortController;
  readonly #seen = new Map<ObjectKey, () => void>();
  readonly #lags: number[] = [];

  private constructor(bench: BenchMesh, idle: IdleInterface) {
    this.#bench = bench;
    this.#idle = idle;
    this.#ending = new AbortController();
    const following = { signal: this.#ending.signal, clock: systemClock, namespace: NAMESPACE };
    this.#watch = startReflector(bench.transport, configMapType, following);
    this.#watch.store.subscribe(({ key }) => this.#seen.get(key)?.());
  }

  static async start(bench: BenchMesh): Promise<Floor> {
    const floor = new Floor(bench, await IdleInterface.start());
    await floor.#watch.store.whenSynced();
    return floor;
  }

  /** Writes once and waits until the watch has told. A watch that is faster than the answer counts as 0. */
  async sample(): Promise<void> {
    const name = `floor-${this.#lags.length}`;
    const told = Promise.withResolvers<void>();
    let at = 0;
    this.#seen.set(`${NAMESPACE}/${name}` as ObjectKey, () => {
      at = performance.now();
      told.resolve();
    });
    await this.#bench.client.create(configMapType, { metadata: { name, namespace: NAMESPACE } });
    const answered = performance.now();
    await told.promise;
    this.#lags.push(Math.max(0, at - answered));
  }

  /** Ends it; one number per sample, in milliseconds. */
  async stop(): Promise<readonly number[]> {
    const sets = await this.#idle.stop();
    this.#ending.abort();
    await this.#watch.stopped;
    const { client } = this.#bench;
    for (const key of this.#seen.keys()) {
      const { name } = splitKey(key);
      await client.delete(configMapType, { name, namespace: NAMESPACE });
    }
    return this.#lags.map((lag, index) => lag + (sets[index % sets.length] ?? 0));
  }
}

/** A wireguard-go interface in a namespace of its own, and a program there that sets one peer ten times a second. */
class IdleInterface {
  readonly #namespace: Namespace;
  readonly #running: readonly Running[];
  readonly #milliseconds: number[];

  private constructor(namespace: Namespace, running: readonly Running[], milliseconds: number[]) {
    this.#namespace = namespace;
    this.#running = running;
    this.#milliseconds = milliseconds;
  }

  static async start(): Promise<IdleInterface> {
    const namespace = await Namespace.create();
    const server = namespace.commands.start([await wireguardGo(), '-f', DEVICE]);
    while (!(await namespace.tries(`wg show ${DEVICE} dump`))) await new Promise((resolve) => setTimeout(resolve, 20));
    const milliseconds: number[] = [];
    const first = Promise.withResolvers<void>();
    const words = [process.execPath, PROGRAM, DEVICE, aKey('floor'), String(EVERY_MS)];
    const setting = namespace.commands.start(words, (line) => {
      milliseconds.push(Number(line));
      first.resolve();
    });
    void setting.exited.then(({ stderr }) => first.reject(new Error(`${words.join(' ')} ended: ${stderr}`)));
    await first.promise;
    return new IdleInterface(namespace, [setting, server], milliseconds);
  }

  /** Ends everything; how long each set took, in milliseconds. */
  async stop(): Promise<readonly number[]> {
    for (const running of this.#running) await running.stop();
    await this.#namespace.dispose();
    return this.#milliseconds;
  }
}

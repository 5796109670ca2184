import { fileURLToPath } from 'node:url';
import { configMapType } from '../../../src/api/core.ts';
import { type ObjectKey, splitKey } from '../../../src/api/resource.ts';
import type { Running } from '../../../src/host/exec.ts';
import { type Reflector, startReflector } from '../../../src/k8s/reflector.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { until } from '../../lab/mesh.ts';
import { Namespace } from '../../netns/namespace.ts';
import { wireguardGo } from '../../netns/support-usermode.ts';
import { aKey } from '../../support/builders.ts';
import { type BenchMesh, NAMESPACE } from './bench-mesh.ts';

const PROGRAM = fileURLToPath(new URL('programs/set-peer.ts', import.meta.url));
const DEVICE = 'wg-idle';

/**
 * What no program on this API can beat, taken in turn with what is measured: a write's way to a watch that is already open, and
 * then one `wg set` of one peer on an interface where nothing else happens.
 */
export class Floor {
  readonly #bench: BenchMesh;
  readonly #idle: IdleInterface;
  readonly #watch: Reflector<{ readonly metadata: { readonly name: string } }>;
  readonly #ending: AbortController;
  readonly #seen = new Map<ObjectKey, () => void>();
  readonly #milliseconds: number[] = [];

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

  /** Writes once, waits until the watch has told, and sets once. A watch that is faster than the answer counts as 0. */
  async sample(): Promise<void> {
    const name = `floor-${this.#milliseconds.length}`;
    const told = Promise.withResolvers<void>();
    let at = 0;
    this.#seen.set(`${NAMESPACE}/${name}` as ObjectKey, () => {
      at = performance.now();
      told.resolve();
    });
    await this.#bench.client.create(configMapType, { metadata: { name, namespace: NAMESPACE } });
    const answered = performance.now();
    await told.promise;
    this.#milliseconds.push(Math.max(0, at - answered) + (await this.#idle.set()));
  }

  /** Ends it; one number per sample, in milliseconds. */
  async stop(): Promise<readonly number[]> {
    await this.#idle.stop();
    this.#ending.abort();
    await this.#watch.stopped;
    const { client } = this.#bench;
    for (const key of this.#seen.keys()) {
      const { name } = splitKey(key);
      await client.delete(configMapType, { name, namespace: NAMESPACE });
    }
    return this.#milliseconds;
  }
}

/** A wireguard-go interface in a namespace of its own, and a program there that sets one peer whenever it is asked. */
class IdleInterface {
  readonly #namespace: Namespace;
  readonly #server: Running;
  readonly #setter: Running;
  #onLine: (line: string) => void = () => undefined;
  #onEnd: (error: Error) => void = () => undefined;

  private constructor(namespace: Namespace, server: Running) {
    this.#namespace = namespace;
    this.#server = server;
    const words = [process.execPath, PROGRAM, DEVICE, aKey('floor')];
    this.#setter = namespace.commands.start(words, (line) => this.#onLine(line));
    void this.#setter.exited.then(({ stderr }) => this.#onEnd(new Error(`${words.join(' ')} ended: ${stderr}`)));
  }

  static async start(): Promise<IdleInterface> {
    const namespace = await Namespace.create();
    const server = namespace.commands.start([await wireguardGo(), '-f', DEVICE]);
    await until(
      'an idle interface',
      () => namespace.tries(`wg show ${DEVICE} dump`),
      (text) => text !== '',
    );
    const idle = new IdleInterface(namespace, server);
    await idle.#line();
    return idle;
  }

  /** Sets the peer once; how long that took, in milliseconds. */
  async set(): Promise<number> {
    const line = this.#line();
    // What enters a namespace becomes the program itself, so its id is the program's.
    process.kill(this.#setter.pid ?? 0, 'SIGUSR2');
    return Number(await line);
  }

  async stop(): Promise<void> {
    await this.#setter.stop();
    await this.#server.stop();
    await this.#namespace.dispose();
  }

  #line(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#onLine = resolve;
      this.#onEnd = reject;
    });
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import type { Laptop } from '../../lab/laptop.ts';
import type { Device, Mesh } from '../../lab/mesh.ts';
import { Traffic } from '../../lab/traffic.ts';

/** How close together a laptop asks. */
const EVERY_MS = 5;
/** No answer for so long after the command or the expiry, and there comes none any more: the test of revocation looks closer. */
const SILENCE_MS = 2_500;
/** The schema knows whole seconds; the first expiry leaves the nodes time to hear of it. */
const LIFETIME_MS = 5_000;
const APART_MS = 2_000;

/** A laptop whose device is put out while it asks a Service all the time. */
export class LostLaptop {
  readonly #mesh: Mesh;
  readonly #laptop: Laptop;
  readonly #device: Device;
  readonly #service: string;
  #traffic: Traffic | undefined;

  private constructor(mesh: Mesh, laptop: Laptop, device: Device, service: string) {
    this.#mesh = mesh;
    this.#laptop = laptop;
    this.#device = device;
    this.#service = service;
  }

  static async join(mesh: Mesh, name: string): Promise<LostLaptop> {
    const [laptop, device] = await Promise.all([mesh.cluster.addLaptop(name), mesh.addDevice(name)]);
    await mesh.join(laptop, device);
    return new LostLaptop(mesh, laptop, device, await mesh.serviceAddress('hello-node-2'));
  }

  /** Begins to ask, and resolves once there are answers. */
  async begin(): Promise<void> {
    this.#traffic = new Traffic(this.#laptop, 'datagrams', this.#service, 80, EVERY_MS);
    await this.#traffic.answerAfter(Date.now());
  }

  /** Has devices expire one after the other; resolves with when, in milliseconds since the epoch. */
  static async expireInTurn(all: readonly LostLaptop[]): Promise<readonly number[]> {
    const first = Math.ceil((Date.now() + LIFETIME_MS) / 1000) * 1000;
    const moments = all.map((_, index) => first + index * APART_MS);
    await Promise.all(
      all.map((one, index) => {
        const expiresAt = new Date(moments[index] ?? first).toISOString().replace('.000Z', 'Z');
        return one.#mesh.patchDevice(one.#device, { expiresAt });
      }),
    );
    return moments;
  }

  /** Puts the device out and lets it in again; how long there were answers after the start of the command, in seconds, each time. */
  async times(count: number, how: 'deleted' | 'suspended'): Promise<readonly number[]> {
    const seconds: number[] = [];
    for (let time = 0; time < count; time += 1) {
      await this.#traffic?.answerAfter(Date.now());
      const began = Date.now();
      if (how === 'deleted') await this.#mesh.deleteDevice(this.#device);
      else await this.#mesh.patchDevice(this.#device, { suspended: true });
      seconds.push(await this.silentSince(began));
      if (how === 'deleted') await this.#mesh.applyDevice(this.#device);
      else await this.#mesh.patchDevice(this.#device, { suspended: false });
      await this.#rejoin();
    }
    return seconds;
  }

  /** Waits for the silence after a moment; how long after it the last answer came, in seconds. */
  async silentSince(moment: number): Promise<number> {
    await delay(Math.max(moment, Date.now()) + SILENCE_MS - Date.now());
    const last = this.#traffic?.lastAnswer ?? 0;
    if (last > Date.now() - SILENCE_MS / 2) throw new Error('the laptop still gets answers');
    if (last < moment - 1_000) throw new Error('the laptop got no answers before it was put out');
    return Math.max(0, last - moment) / 1000;
  }

  async stop(): Promise<void> {
    await this.#traffic?.stop();
  }

  /** A session that the node has forgotten is noticed by a stock client only after a while. */
  async #rejoin(): Promise<void> {
    await this.#mesh.leave(this.#laptop);
    await this.#mesh.join(this.#laptop, this.#device);
  }
}

import { join } from 'node:path';
import type { Running } from '../../src/host/exec.ts';
import { poll } from '../lab/progress.ts';
import { startBus } from './bus.ts';
import { unpackedPackage } from './debian-package.ts';
import { isFine, type NamesLaptop } from './names-laptop.ts';

/** The daemon in its package. */
export const RESOLVED = 'lib/systemd/systemd-resolved';
const USER = 987;

/** Debian's systemd-resolved and a D-Bus daemon in the namespace of a laptop, whose lookups then all go through it. */
export class Resolved {
  readonly #laptop: NamesLaptop;
  readonly #bus: Running;
  readonly #program: string;
  #daemon: Running;

  private constructor(laptop: NamesLaptop, bus: Running, program: string) {
    this.#laptop = laptop;
    this.#bus = bus;
    this.#program = program;
    this.#daemon = laptop.namespace.commands.start([program]);
  }

  static async start(laptop: NamesLaptop): Promise<Resolved> {
    const { namespace } = laptop;
    const folder = await unpackedPackage('systemd-resolved');
    await namespace.runAll(`
      mount -t overlay overlay -o lowerdir=${join(folder, 'usr')}:/usr /usr
      mkdir -p /run/systemd/resolve
      chown ${USER}:${USER} /run/systemd/resolve
      ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
    `);
    const account = `systemd-resolve:x:${USER}:${USER}::/:/usr/sbin/nologin`;
    await namespace.commands.run([
      'sh',
      '-c',
      `echo ${account} >>/etc/passwd; echo systemd-resolve:x:${USER}: >>/etc/group`,
    ]);
    const bus = await startBus(laptop);
    const resolved = new Resolved(laptop, bus, join(folder, RESOLVED));
    await resolved.#isReady();
    return resolved;
  }

  /** What it was told of a link, in the words of `resolvectl`. Its scopes are left out: they follow the link's addresses. */
  async link(device: string): Promise<string> {
    const status = await this.#laptop.namespace.run(`resolvectl status ${device}`);
    return status.replace(/^Current Scopes: .*$/m, '');
  }

  /** As an upgrade of the package does. */
  async restart(): Promise<void> {
    await this.#daemon.stop();
    this.#daemon = this.#laptop.namespace.commands.start([this.#program]);
    await this.#isReady();
  }

  async stop(): Promise<void> {
    await this.#daemon.stop();
    await this.#bus.stop();
  }

  #isReady(): Promise<unknown> {
    return poll('systemd-resolved', () => isFine(this.#laptop, 'resolvectl dns'), { timeout: 20_000 });
  }
}

import { join } from 'node:path';
import type { Running } from '../../src/host/exec.ts';
import { poll } from '../lab/progress.ts';
import { unpackedPackage } from './debian-package.ts';
import type { NamesLaptop } from './names-laptop.ts';

/** Why there is no systemd-resolved for tests here; undefined when there is. */
export async function missingResolved(): Promise<string | undefined> {
  try {
    await unpackedPackage('systemd-resolved');
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    console.warn(`SKIPPED systemd-resolved: ${why}`);
    return why;
  }
}

/** A bus for one daemon, on which all may do everything. */
const BUS = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_type="method_call"/><allow send_type="method_return"/><allow send_type="signal"/><allow send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="signal"/><allow receive_type="error"/>
  </policy>
</busconfig>
`;
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
      mkdir -p /run/dbus /run/systemd/resolve
      chown ${USER}:${USER} /run/systemd/resolve
      ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
    `);
    const account = `systemd-resolve:x:${USER}:${USER}::/:/usr/sbin/nologin`;
    await namespace.commands.run([
      'sh',
      '-c',
      `echo ${account} >>/etc/passwd; echo systemd-resolve:x:${USER}: >>/etc/group`,
    ]);
    await laptop.write('/run/bus.conf', BUS);
    const bus = namespace.commands.start(['dbus-daemon', '--config-file=/run/bus.conf', '--nofork']);
    await poll('the D-Bus daemon', () => answers(laptop, 'test -S /run/dbus/system_bus_socket'), { timeout: 10_000 });
    const resolved = new Resolved(laptop, bus, join(folder, 'lib/systemd/systemd-resolved'));
    await resolved.#isReady();
    return resolved;
  }

  /** What it has for a link, in the words of `resolvectl`. */
  async link(device: string): Promise<string> {
    return this.#laptop.namespace.run(`resolvectl status ${device}`);
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
    return poll('systemd-resolved', () => answers(this.#laptop, 'resolvectl dns'), { timeout: 20_000 });
  }
}

async function answers(laptop: NamesLaptop, line: string): Promise<true | undefined> {
  return laptop.namespace.run(line).then(
    () => true,
    () => undefined,
  );
}

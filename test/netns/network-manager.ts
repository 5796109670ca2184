import { join } from 'node:path';
import type { Running } from '../../src/host/exec.ts';
import { poll } from '../lab/progress.ts';
import { startBus } from './bus.ts';
import { unpackedPackage } from './debian-package.ts';
import { isFine, type NamesLaptop } from './names-laptop.ts';

/** NetworkManager and the libraries that only it needs. */
export const NETWORK_MANAGER = ['network-manager', 'libnm0', 'libndp0'] as const;

const SETTINGS = `[main]
plugins=keyfile
dns=default
no-auto-default=*
auth-polkit=false
[keyfile]
unmanaged-devices=interface-name:sp-*
`;

/** Debian's NetworkManager in the namespace of a laptop, where it writes /etc/resolv.conf itself. */
export class NetworkManager {
  readonly #laptop: NamesLaptop;
  readonly #bus: Running;
  readonly #daemon: Running;

  private constructor(laptop: NamesLaptop, bus: Running, daemon: Running) {
    this.#laptop = laptop;
    this.#bus = bus;
    this.#daemon = daemon;
  }

  static async start(laptop: NamesLaptop, server: string): Promise<NetworkManager> {
    const { namespace } = laptop;
    const folders = await Promise.all(NETWORK_MANAGER.map(unpackedPackage));
    // A device that has addresses already would be somebody else's to it. Where /sys cannot be written to, it does not wait for udev to tell it of devices.
    await namespace.runAll(`
      mount -t overlay overlay -o lowerdir=${folders.map((folder) => join(folder, 'usr')).join(':')}:/usr /usr
      ip address flush dev eth0
      mount -t tmpfs tmpfs /var/lib
      mount -t sysfs -o ro sysfs /sys
      mkdir -p /run/NetworkManager /var/lib/NetworkManager /etc/NetworkManager/system-connections
    `);
    await laptop.write('/etc/NetworkManager/NetworkManager.conf', SETTINGS);
    await laptop.write('/etc/NetworkManager/system-connections/office.nmconnection', connection(server));
    await namespace.run('chmod 600 /etc/NetworkManager/system-connections/office.nmconnection');
    const bus = await startBus(laptop);
    const daemon = namespace.commands.start(['NetworkManager', '--no-daemon']);
    const written = () => isFine(laptop, `grep -q ${server} /etc/resolv.conf`);
    await poll('NetworkManager', written, { timeout: 20_000 });
    return new NetworkManager(laptop, bus, daemon);
  }

  /** The same network with another DNS server. */
  async moveTo(server: string): Promise<void> {
    await this.#laptop.namespace.run(`nmcli connection modify office ipv4.dns ${server}`);
    await this.#laptop.namespace.run('nmcli device reapply eth0');
  }

  async stop(): Promise<void> {
    await this.#daemon.stop();
    await this.#bus.stop();
  }
}

function connection(server: string): string {
  return `[connection]
id=office
uuid=5cbd1a28-0000-4000-8000-000000000001
type=ethernet
interface-name=eth0
[ipv4]
method=manual
address1=192.168.50.1/24
dns=${server};
dns-search=office.example;
[ipv6]
method=disabled
`;
}

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionTracking } from '../dataplane/connection-tracking.ts';
import type { Family } from '../net/address.ts';

/** Reads and writes small files; a test gives one that works in another network namespace. */
export interface SmallFiles {
  /** Undefined when there is no such file. */
  read(path: string): Promise<string | undefined>;
  write(path: string, text: string): Promise<void>;
}

/** The files of this process's own network namespace. */
export const ownFiles: SmallFiles = {
  async read(path) {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
  write: (path, text) => writeFile(path, text, { flag: 'r+' }),
};

/** The few kernel switches of a gateway, below a directory that shows /proc/sys/net. */
export interface Sysctls {
  /** Undefined where the kernel does not know the family. */
  forwarding(family: Family): Promise<boolean | undefined>;
  setForwarding(family: Family, on: boolean): Promise<void>;
  /** Whether the interface takes no IPv6 addresses; while there is none, whether a new one would not. */
  isIpv6Off(device: string): Promise<boolean>;
  /** Lets the interface take IPv6 addresses, and no other. */
  allowIpv6(device: string): Promise<void>;
  /** Undefined while there is no such interface. */
  rpFilter(device: string): Promise<number | undefined>;
  setRpFilter(device: string, value: number): Promise<void>;
  /** Undefined where the kernel tracks no connections. */
  tracking(): Promise<ConnectionTracking | undefined>;
}

/** IPv6 has no switch of its own that forwards, only the one for all interfaces; ip_forward is IPv4's. */
const FORWARDING = { 4: 'ipv4/ip_forward', 6: 'ipv6/conf/all/forwarding' } as const;

/** Switches below `root`: inside a container that is /proc/sys/net of the node mounted elsewhere, because /proc/sys is read-only there. */
export function createSysctls(root: string, files: SmallFiles = ownFiles): Sysctls {
  const rpFilter = (device: string) => join(root, 'ipv4/conf', device, 'rp_filter');
  const disableIpv6 = (device: string) => join(root, 'ipv6/conf', device, 'disable_ipv6');
  const write = async (path: string, value: number) => {
    try {
      await files.write(path, `${value}\n`);
    } catch (error) {
      throw new Error(`write ${value} to ${path}`, { cause: error });
    }
  };
  return {
    async forwarding(family) {
      const text = await files.read(join(root, FORWARDING[family]));
      return text === undefined ? undefined : text.trim() !== '0';
    },
    setForwarding: (family, on) => write(join(root, FORWARDING[family]), on ? 1 : 0),
    async isIpv6Off(device) {
      const own = await files.read(disableIpv6(device));
      return (own ?? (await files.read(disableIpv6('default'))) ?? '0').trim() !== '0';
    },
    allowIpv6: (device) => write(disableIpv6(device), 0),
    async rpFilter(device) {
      const text = await files.read(rpFilter(device));
      return text === undefined ? undefined : Number(text);
    },
    setRpFilter: (device, value) => write(rpFilter(device), value),
    async tracking() {
      const [entries, most] = await Promise.all(
        ['count', 'max'].map((name) => files.read(join(root, `netfilter/nf_conntrack_${name}`))),
      );
      return entries === undefined || most === undefined ? undefined : { entries: Number(entries), most: Number(most) };
    },
  };
}

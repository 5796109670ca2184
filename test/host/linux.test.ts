import { beforeEach, describe, expect, test } from 'vitest';
import { createLinuxHost, type LinuxHost } from '../../src/host/linux.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import { ScriptedCommands } from '../support/scripted-commands.ts';

const DEVICE = 'wg-default_2';
const SWITCH = `/proc/sys/net/ipv6/conf/${DEVICE}/disable_ipv6`;

describe('an interface made on a node whose new ones take no IPv6 addresses', () => {
  let files: Map<string, string>;
  let commands: ScriptedCommands;
  let host: LinuxHost;

  beforeEach(() => {
    files = new Map([[SWITCH, '1\n']]);
    commands = new ScriptedCommands(() => '');
    host = createLinuxHost({
      node: 'node-a',
      privateKeysFolder: '/nowhere',
      procSys: '/proc/sys/net',
      wireguardGo: 'wireguard-go',
      runDir: '/nowhere',
      commands,
      files: {
        read: async (path) => files.get(path),
        write: async (path, text) => void files.set(path, text),
      },
    });
  });

  const add = (address: string) => host.apply({ kind: 'add-address', device: DEVICE, address: address as Cidr });

  test('takes the one that the plan has for it, as the interface beside it did', async () => {
    await add('fd5a:213::1/128');
    expect(files.get(SWITCH)).toBe('0\n');
    expect(commands.asked).toEqual([`ip address add fd5a:213::1/128 dev ${DEVICE}`]);
  });

  test('stays as it is for an IPv4 address', async () => {
    await add('10.213.0.1/32');
    expect(files.get(SWITCH)).toBe('1\n');
  });
});

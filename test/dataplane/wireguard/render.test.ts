import { describe, expect, test } from 'vitest';
import type { PeerChange } from '../../../src/dataplane/wireguard/peer-change.ts';
import { peerCommands, peerSyntax, WHOLE_LISTS } from '../../../src/dataplane/wireguard/render.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import type { PublicKey } from '../../../src/net/key.ts';

const cidrs = (...texts: readonly string[]) => texts as readonly Cidr[];
const key = (name: string) => name as PublicKey;
const SIGNS = { add: true, remove: true };

const CHANGE: PeerChange = {
  kind: 'change',
  publicKey: key('B'),
  allowedIPs: cidrs('10.0.0.1/32', '10.0.0.3/32'),
  added: cidrs('10.0.0.3/32'),
  removed: cidrs('10.0.0.2/32'),
};

const MOUNTED = { file: 'version-1', fingerprint: 'fingerprint-1' };
const TARGET = { device: 'wg0', presharedKeys: '/keys' };

describe('wg set', () => {
  test.each<[string, PeerChange, string]>([
    [
      'adds a peer',
      { kind: 'add', publicKey: key('A'), allowedIPs: cidrs('10.0.0.1/32', 'fd00::1/128') },
      'peer A allowed-ips 10.0.0.1/32,fd00::1/128',
    ],
    ['adds a peer without addresses', { kind: 'add', publicKey: key('A'), allowedIPs: [] }, 'peer A allowed-ips '],
    ['removes a peer', { kind: 'remove', publicKey: key('A') }, 'peer A remove'],
    ['changes addresses', CHANGE, 'peer B allowed-ips 10.0.0.1/32,10.0.0.3/32'],
    [
      'adds a peer with a preshared key, by its file',
      { kind: 'add', publicKey: key('A'), allowedIPs: cidrs('10.0.0.1/32'), presharedKey: MOUNTED },
      'peer A preshared-key /keys/version-1 allowed-ips 10.0.0.1/32',
    ],
    [
      'changes a preshared key alone',
      { ...CHANGE, added: [], removed: [], presharedKey: MOUNTED },
      'peer B preshared-key /keys/version-1',
    ],
    [
      'drops a preshared key alone',
      { ...CHANGE, added: [], removed: [], presharedKey: 'none' },
      'peer B preshared-key /dev/null',
    ],
  ])('%s', (_what, change, words) => {
    const yielding: PeerChange = { kind: 'yield', publicKey: key('Y') };
    expect(peerCommands(TARGET, [yielding], WHOLE_LISTS)).toEqual([]);
    expect(peerCommands(TARGET, [yielding, change], WHOLE_LISTS)).toEqual(peerCommands(TARGET, [change], WHOLE_LISTS));
    expect(peerCommands(TARGET, [change], WHOLE_LISTS).map((argv) => argv.join(' '))).toEqual([`wg set wg0 ${words}`]);
  });

  test.each([
    [SIGNS, CHANGE, '+10.0.0.3/32,-10.0.0.2/32'],
    [{ add: true, remove: false }, CHANGE, '10.0.0.1/32,10.0.0.3/32'],
    [{ add: true, remove: false }, { ...CHANGE, removed: [] }, '+10.0.0.3/32'],
    [WHOLE_LISTS, { ...CHANGE, removed: [] }, '10.0.0.1/32,10.0.0.3/32'],
  ])('uses signs only where they are understood (%o)', (syntax, change, words) => {
    expect(peerCommands(TARGET, [change as PeerChange], syntax)[0]?.at(-1)).toBe(words);
  });

  test('takes a thousand peers per command, in their order', () => {
    const changes = Array.from(
      { length: 2500 },
      (_, index): PeerChange => ({ kind: 'remove', publicKey: key(`K${index}`) }),
    );
    const commands = peerCommands(TARGET, changes, WHOLE_LISTS);
    expect(commands.map((argv) => argv.filter((word) => word === 'peer').length)).toEqual([1000, 1000, 500]);
    expect(commands.flatMap((argv) => argv.filter((word) => word.startsWith('K')))).toEqual(
      changes.map(({ publicKey }) => publicKey),
    );
  });

  test('never grows beyond what an argv may hold', () => {
    const allowedIPs = Array.from({ length: 2000 }, (_, index) => `10.1.${index >> 8}.${index & 255}/32` as Cidr);
    const changes = Array.from(
      { length: 20 },
      (_, index): PeerChange => ({ kind: 'add', publicKey: key(`K${index}`), allowedIPs }),
    );
    for (const argv of peerCommands(TARGET, changes, WHOLE_LISTS)) expect(argv.join(' ').length).toBeLessThan(110_000);
  });

  test('is not run when nothing changes', () => {
    expect(peerCommands(TARGET, [], WHOLE_LISTS)).toEqual([]);
  });
});

test.each([
  ['wireguard-tools v1.0.20210914 - https://git.zx2c4.com/wireguard-tools/', '6.18.0', 'Kernel', false, false],
  ['wireguard-tools v1.0.20250521 - https://git.zx2c4.com/wireguard-tools/', '6.12.5-amd64', 'Kernel', true, false],
  ['wireguard-tools v1.0.20250521 - https://git.zx2c4.com/wireguard-tools/', '6.16.0', 'Kernel', true, true],
  ['wireguard-tools v1.0.20250521 - https://git.zx2c4.com/wireguard-tools/', '7.1.0-rc1', 'Kernel', true, true],
  ['wireguard-tools v1.0.20250521 - https://git.zx2c4.com/wireguard-tools/', '6.18.0', 'Userspace', true, false],
  ['something else', '6.18.0', 'Kernel', false, false],
] as const)('%s on Linux %s (%s): +%s -%s', (version, release, dataplane, add, remove) => {
  expect(peerSyntax(version, release, dataplane)).toEqual({ add, remove });
});

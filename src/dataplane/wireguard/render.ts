import type { PeerChange } from './peer-change.ts';

/** What the `wg` command and the data plane behind it understand beyond whole lists of AllowedIPs. */
export interface PeerSyntax {
  /** `+PREFIX` adds to a peer's list (wireguard-tools from 2025-05). */
  readonly add: boolean;
  /** `-PREFIX` takes from it (also needs Linux 6.16, which knows WGALLOWEDIP_F_REMOVE_ME; older ones would *add* the prefix). */
  readonly remove: boolean;
}

export const WHOLE_LISTS: PeerSyntax = { add: false, remove: false };

const MAX_PEERS = 1000;
/** Far below the kernel's limit for argv and environment together (at least 128 KiB). */
const MAX_BYTES = 100_000;

/** Which interface is changed, and in which folder the files of preshared keys are. */
export interface PeerTarget {
  readonly device: string;
  readonly presharedKeys: string;
}

/** What this `wg --version` on this kernel release understands. */
export function peerSyntax(wgVersion: string, kernelRelease: string, dataplane: 'Kernel' | 'Userspace'): PeerSyntax {
  const tools = /v1\.0\.(\d{8})/.exec(wgVersion)?.[1] ?? '0';
  if (Number(tools) < 20250521) return WHOLE_LISTS;
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(kernelRelease) ?? [];
  return { add: true, remove: dataplane === 'Kernel' && Number(major) * 1000 + Number(minor) >= 6016 };
}

/**
 * The `wg set` commands for the changes, as argv, in their order; only the named peers are touched. Few commands, each of
 * bounded length: a change of one peer is one, ten thousand new peers are ten.
 */
export function peerCommands(
  { device, presharedKeys }: PeerTarget,
  changes: readonly PeerChange[],
  syntax: PeerSyntax,
): readonly (readonly string[])[] {
  const commands: string[][] = [];
  let room = { peers: 0, bytes: 0 };
  for (const change of changes) {
    const words = peerWords(change, presharedKeys, syntax);
    if (words.length === 0) continue;
    const bytes = words.reduce((sum, word) => sum + word.length + 1, 0);
    const full = room.peers === 0 || room.bytes < bytes;
    if (full) {
      commands.push(['wg', 'set', device]);
      room = { peers: MAX_PEERS, bytes: MAX_BYTES };
    }
    commands.at(-1)?.push(...words);
    room = { peers: room.peers - 1, bytes: room.bytes - bytes };
  }
  return commands;
}

function peerWords(change: PeerChange, folder: string, syntax: PeerSyntax): readonly string[] {
  if (change.kind === 'yield') return [];
  const peer = ['peer', change.publicKey];
  if (change.kind === 'remove') return [...peer, 'remove'];
  if (change.kind === 'call') return callWords(change);
  const keyed = [...peer, ...presharedKeyWords(change, folder)];
  return change.kind === 'add'
    ? [...keyed, 'allowed-ips', change.allowedIPs.join(',')]
    : [...keyed, ...allowedIPs(change, syntax)];
}

/**
 * Turning keepalives on sends one at once (set_peer in the kernel's netlink.c, handlePostConfig in wireguard-go's uapi.go); they are off again
 * before the next, for a node that went on would draw the device away from wherever it goes.
 */
function callWords({ publicKey, endpoint }: PeerChange & { readonly kind: 'call' }): readonly string[] {
  const peer = ['peer', publicKey];
  const to = endpoint === undefined ? [] : ['endpoint', endpoint];
  return [...peer, ...to, 'persistent-keepalive', '1', ...peer, 'persistent-keepalive', 'off'];
}

/** By its file: an argv is for everybody to read. An empty file means none (wg(8)). */
function presharedKeyWords(
  { presharedKey }: Extract<PeerChange, { readonly kind: 'add' | 'change' }>,
  folder: string,
): readonly string[] {
  if (presharedKey === undefined) return [];
  return ['preshared-key', presharedKey === 'none' ? '/dev/null' : `${folder}/${presharedKey.file}`];
}

/** A whole list empties the peer's before it fills it again, which its packets may see; signs do not. */
function allowedIPs(change: PeerChange & { readonly kind: 'change' }, syntax: PeerSyntax): readonly string[] {
  const { added, removed } = change;
  if (added.length + removed.length === 0) return [];
  const signs = (added.length === 0 || syntax.add) && (removed.length === 0 || syntax.remove);
  const list = signs ? [...added.map((cidr) => `+${cidr}`), ...removed.map((cidr) => `-${cidr}`)] : change.allowedIPs;
  return ['allowed-ips', list.join(',')];
}

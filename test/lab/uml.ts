import { TIED } from './exec.ts';
import { processorForGuest } from './processors.ts';

/** How a User-Mode Linux is started. */
export interface GuestKernel {
  /** The kernel's file (linux-build.ts). */
  readonly kernel: string;
  /** The guest's memory in MiB; the host gives what the guest touches. */
  readonly memory: number;
  /** The guest's first process: an executable file of the host, see `firstScript`. */
  readonly init: string;
  /** A folder of the host for the kernel's own socket, which nobody else uses. */
  readonly folder: string;
  /** Further words for the kernel, e.g. `vec0:transport=tap,ifname=tap0` for a link to a tap device of the network it is started in. */
  readonly words?: readonly string[];
}

/**
 * The command that boots a guest and lasts as long as it. Its output is the guest's console. A guest is many processes of
 * the host: here they are alone in a PID namespace, so that none outlives the first, nor that one whoever started it.
 */
export function guestCommand({ kernel, memory, init, folder, words = [] }: GuestKernel): readonly string[] {
  return [
    ...[...TIED, 'unshare', '--pid', '--fork', '--kill-child=KILL', '--'],
    // A kernel that panics ends its process group, and aborts itself, which the first process of a namespace cannot.
    ...['prlimit', '--core=0', '--', 'setsid', '--fork', '--wait'],
    ...['taskset', '--cpu-list', `${processorForGuest(kernel)}`],
    ...[kernel, `mem=${memory}M`, `uml_dir=${folder}`, 'umid=guest'],
    // The host's root, which the guest cannot write to: `firstScript` lays memory over it.
    ...['root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro', `init=${init}`],
    // Half of the time of ptrace, where the kernel is new enough to know the word.
    ...['seccomp=auto', 'con=null', 'con0=fd:0,fd:1', 'quiet', ...words],
  ];
}

/** What a guest sees of the host, besides all of its files as they are. */
export interface GuestRoot {
  /** The guest's host name. */
  readonly name: string;
  /** Folders of the host that the guest may write to, by their path in the guest, where they need not exist. */
  readonly shares?: Readonly<Record<string, string>>;
  /** Shell lines that run as the first process once the root is made, with `set -e`; at their end the guest powers off. */
  readonly body: string;
}

/**
 * The text of a guest's first process: makes the host's files the root, with memory over them that takes every write, mounts
 * what a Linux system has, and goes on with the body. When the body ends or fails, the power goes off.
 */
export function firstScript({ name, shares = {}, body }: GuestRoot): string {
  const mounts = Object.entries(shares).map(
    ([guest, host]) => `mkdir -p ${quoted(guest)}\nmount -t hostfs -o ${quoted(host)} hostfs ${quoted(guest)}`,
  );
  return [BEFORE, `hostname ${quoted(name)}`, ...mounts, body].join('\n');
}

/** A word as the shell reads it back unchanged. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

const BEFORE = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
set -e
mount -t proc proc /proc
# The first process must not end, or the kernel panics.
trap 'echo o >/proc/sysrq-trigger; while :; do sleep 1; done' EXIT
mount -t tmpfs tmpfs /tmp
mkdir /tmp/upper /tmp/work /tmp/root
mount -t overlay -o lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work overlay /tmp/root
mkdir /tmp/root/.host
cd /tmp/root
pivot_root . .host
cd /
mount -t proc proc /proc
umount -l /.host
rmdir /.host
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
# Its rings are mapped wrongly in User-Mode Linux 6.12, which panics once the first user of one ends (Node is one). Older kernels
# have no such switch.
[ ! -e /proc/sys/kernel/io_uring_disabled ] || echo 2 >/proc/sys/kernel/io_uring_disabled
ip link set lo up`;

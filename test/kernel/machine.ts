import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type ExecOptions, run, TIED } from '../lab/exec.ts';
import { userModeLinux } from '../lab/linux-build.ts';
import { poll } from '../lab/progress.ts';
import { stockKernel } from '../lab/stock-kernel.ts';
import { firstScript, guestCommand, quoted } from '../lab/uml.ts';

/** A guest that is to be booted. */
export interface Boot {
  /** A folder of its own, for whatever belongs to it. */
  readonly folder: string;
  /** Shell lines that run once the root is made, as in `firstScript`. */
  readonly body: string;
  /** Folders of the host that the guest may write to, by their path in the guest. */
  readonly shares: Readonly<Record<string, string>>;
  /** Memory in MiB. */
  readonly memory: number;
  /** Further words of the kernel's command line. */
  readonly words: readonly string[];
}

/** Boots a guest whose root is this machine's files, and gives its console once its power is off. */
export type Machine = (boot: Boot, limits: Pick<ExecOptions, 'timeout' | 'signal'>) => Promise<string>;

/** How many times as long as a kernel of our own, which runs on the processor itself, the present machine may take. */
export const SLOWNESS = isStock() ? 4 : 1;

/** The machine that guests run on: a kernel of our own as a program, or by SALLYPORT_GUEST_KERNEL=stock Debian's own, emulated. */
export function machine(): Machine {
  return isStock() ? stock : userMode;
}

/** Makes what the machine needs, which may take minutes the first time. */
export async function prepareMachine(): Promise<void> {
  await (isStock() ? stockKernel() : userModeLinux());
}

/** Whether the kernel is to be Debian's own. @throws for a kernel that does not exist */
export function isStock(): boolean {
  const kernel = process.env.SALLYPORT_GUEST_KERNEL ?? 'own';
  if (!['own', 'stock'].includes(kernel))
    throw new Error(`SALLYPORT_GUEST_KERNEL is ${kernel}; set it to own or stock, or not at all`);
  return kernel === 'stock';
}

const userMode: Machine = async ({ folder, body, shares, memory, words }, limits) => {
  const kernel = await userModeLinux();
  const init = join(folder, 'init');
  await writeFile(init, firstScript({ name: 'guest', shares, body }), { mode: 0o755 });
  return (await run(guestCommand({ kernel, memory, init, folder, words }), limits)).stdout;
};

/**
 * The kernel that Debian's users run, emulated by QEMU without the help of the processor. It sees the host's files by virtio-fs,
 * as a root that is mounted to be read only, and the shares as file systems of their own.
 */
const stock: Machine = async ({ folder, body, shares, memory, words }, limits) => {
  const { image, initramfs, modules } = await stockKernel();
  const init = join(folder, 'init');
  const modulesLine = `mkdir -p /lib/modules; ln -s ${quoted(modules)} /lib/modules/${basename(modules)}`;
  const tags = Object.keys(shares).map((guest, index) => [guest, `share${index}`] as const);
  const mounts = tags.map(([guest, tag]) => `mkdir -p ${quoted(guest)}; mount -t virtiofs ${tag} ${quoted(guest)}`);
  const script = firstScript({ name: 'guest', body: [modulesLine, ...mounts, body].join('\n') });
  await writeFile(init, script, { mode: 0o755 });
  const folders = [['host', '/'], ...tags.map(([guest, tag]) => [tag, shares[guest] ?? ''])] as const;
  const servers = folders.map(([tag = '', source = '']) => share(folder, tag, source));
  try {
    await Promise.all(servers.map(({ ready }) => ready));
    const devices = servers.flatMap(({ tag, socket }) => [
      ...['-chardev', `socket,id=${tag},path=${socket}`],
      ...['-device', `vhost-user-fs-pci,chardev=${tag},tag=${tag}`],
    ]);
    const kernel = ['-kernel', image, '-initrd', initramfs];
    const line = ['console=ttyS0', 'quiet', 'panic=-1', `GUEST_INIT=${init}`, ...words].join(' ');
    const argv = [...TIED, ...qemu(memory), ...kernel, '-append', line, ...devices];
    return (await run(argv, limits)).stdout;
  } finally {
    await Promise.all(servers.map(({ stop }) => stop()));
  }
};

/** Memory is shared with the servers of the files. Without KVM, which nested machines lack and which would hide nothing. */
function qemu(memory: number): readonly string[] {
  return [
    ...['qemu-system-x86_64', '-M', 'q35,memory-backend=memory', '-cpu', 'qemu64', '-smp', '2'],
    ...['-accel', 'tcg,thread=multi', '-m', `${memory}`],
    ...['-object', `memory-backend-memfd,id=memory,size=${memory}M,share=on`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
  ];
}

const WAIT = { timeout: 10_000 * SLOWNESS, interval: 20 } as const;

interface FileServer {
  readonly tag: string;
  readonly socket: string;
  /** Rejects with what it said if it does not come up. */
  readonly ready: Promise<void>;
  readonly stop: () => Promise<void>;
}

function share(folder: string, tag: string, source: string): FileServer {
  const socket = join(folder, `${tag}.sock`);
  const [command, ...words] = [...TIED, '/usr/lib/qemu/virtiofsd', `--socket-path=${socket}`, '-o', `source=${source}`];
  const server = spawn(command, [...words, '-o', 'sandbox=chroot', '-o', 'cache=auto'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-1000)));
  const ended = new Promise<void>((resolve) => {
    server.once('error', (error) => (said = error.message));
    server.once('close', () => resolve());
  });
  const up = poll(`virtiofsd for ${source}`, async () => existsSync(socket) || undefined, WAIT);
  const ready = Promise.race([
    up.then(() => undefined),
    ended.then(() => Promise.reject(new Error(`virtiofsd for ${source} ended: ${said}`))),
  ]);
  // Who stops it does not ask any more.
  ready.catch(() => undefined);
  const stop = async () => {
    server.kill('SIGKILL');
    await ended;
  };
  return { tag, socket, ready, stop };
}

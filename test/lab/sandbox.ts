import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { systemGroups } from './cgroups.ts';
import { type ExecOptions, type ExecResult, run, TIED } from './exec.ts';
import { lastLines } from './log.ts';
import { poll } from './progress.ts';
import { identify, isAlive, labDirectory, type ProcessId } from './record.ts';

const SCRIPTS = `${import.meta.dirname}/scripts`;
const NAMESPACES = ['--mount', '--net', '--pid', '--ipc', '--uts'] as const;

/** Namespaces of our own, found by their first process. */
export interface Sandbox {
  readonly lab: string;
  readonly init: ProcessId;
  /** Where programs note their process ids; a folder only the sandbox sees. */
  readonly pids: string;
}

/** The lab's own namespaces while their owner holds them. */
export interface OwnedSandbox extends Sandbox {
  /** From now on the lab survives its owner. */
  keep(): void;
}

/** Opens the namespaces of a lab: a network with nothing but a bridge, and a PID namespace that dies with its owner. */
export async function openLab(lab: string, address: string): Promise<OwnedSandbox> {
  const argv = [...NAMESPACES, '--fork', '--kill-child', 'bash', `${SCRIPTS}/lab-init.sh`];
  const { child, init } = await firstProcess(['unshare', ...argv, labDirectory(lab), address], lab, 'lab', 1);
  (child.stdin as Socket).unref();
  return { ...labSandbox(lab, init), keep: () => void child.stdin?.end('keep\n') };
}

/** The sandbox of a lab whose first process is known. */
export function labSandbox(lab: string, init: ProcessId): Sandbox {
  return { lab, init, pids: `${labDirectory(lab)}/volatile` };
}

/** The sandbox of a node or laptop whose first process is known. */
export function memberSandbox(lab: string, init: ProcessId): Sandbox {
  return { lab, init, pids: '/run/lab' };
}

/** What a node or laptop begins with. */
export interface MemberOptions {
  readonly parent: Sandbox;
  readonly name: string;
  /** Folders laid over /usr. */
  readonly overUsr?: readonly string[];
}

/** Opens the namespaces of one node or laptop below those of its lab. Its network has nothing but a loopback device. */
export async function openMember({ parent, name, overUsr = [] }: MemberOptions): Promise<Sandbox> {
  const { lab } = parent;
  const folder = memberFolder(lab, name);
  const volatile = `${labDirectory(lab)}/volatile`;
  const argv = [
    ...['nsenter', ...enter(parent), 'unshare', ...NAMESPACES, '--fork', '--kill-child'],
    ...['bash', `${SCRIPTS}/member-init.sh`, name, folder, volatile, memberLogs(lab, name), overUsr.join(':')],
  ];
  const { init } = await firstProcess(argv, lab, name, 2);
  return memberSandbox(lab, init);
}

/** What a guest begins with (scripts/guest-outside.sh). */
export interface GuestOptions {
  readonly parent: Sandbox;
  readonly name: string;
  readonly index: number;
  /** The file of its disk, inside the lab. */
  readonly disk: string;
  /** The command that boots it. */
  readonly command: readonly string[];
}

/** Boots a machine with a kernel of its own below the lab, on the lab's bridge. It dies with the process that is returned. */
export async function openGuest({ parent, name, index, disk, command }: GuestOptions): Promise<ProcessId> {
  const { lab } = parent;
  const logs = memberLogs(lab, name);
  await mkdir(logs, { recursive: true });
  const own = ['unshare', '--mount', '--pid', '--fork', '--kill-child'];
  const words = [String(index), memberFolder(lab, name), disk, `${logs}/console.log`, process.execPath];
  const argv = ['nsenter', ...enter(parent), ...own, 'bash', `${SCRIPTS}/guest-outside.sh`, ...words, ...command];
  const { init } = await firstProcess(argv, lab, name, 2);
  return init;
}

/** The folder, on the machine, for what a member needs while it lives. */
export function memberFolder(lab: string, name: string): string {
  return `${labDirectory(lab)}/members/${name}`;
}

/** The socket file, on the machine, at which a guest takes commands (remote-shell.ts). */
export function commandSocket(lab: string, name: string): string {
  return `${memberFolder(lab, name)}/commands.sock`;
}

/** The folder, on the machine, that a member has as its /var/log. */
export function memberLogs(lab: string, name: string): string {
  return `${labDirectory(lab)}/logs/${name}`;
}

/** The folder, inside the lab, that a member keeps through a power failure. Made when it first starts. */
export function memberDisk(lab: Sandbox, name: string): string {
  return `${labDirectory(lab.lab)}/volatile/${name}`;
}

/** Runs a command inside a sandbox, in all of its namespaces. It ends with this process. */
export async function execInside(
  sandbox: Sandbox,
  argv: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  return run(['nsenter', ...enter(sandbox), ...TIED, ...argv], options);
}

/** The name, on the machine, of a file inside a sandbox. */
export function insidePath({ init }: Sandbox, path: string): string {
  return `/proc/${init.pid}/root${path}`;
}

/**
 * The words after `nsenter` that enter all namespaces of a sandbox.
 * @throws Error if it ended: its process id may be another's by now.
 */
export function enter({ init }: Sandbox): readonly string[] {
  if (!isAlive(init)) throw new Error(`the sandbox of process ${init.pid} has ended`);
  return ['--target', String(init.pid), ...NAMESPACES, '--'];
}

/** Ends a PID namespace by ending its first process, and waits until it is gone. Gone already is no error. */
export async function killNamespace(init: ProcessId): Promise<void> {
  if (!isAlive(init)) return;
  process.kill(init.pid, 'SIGKILL');
  await poll(`end of process ${init.pid}`, async () => (isAlive(init) ? undefined : true), { interval: 20 });
}

interface Started {
  readonly child: ChildProcess;
  readonly init: ProcessId;
}

/** Starts the first process of a PID namespace. Its first line of output tells its id; after `lines` lines it is ready. */
async function firstProcess(argv: readonly string[], lab: string, name: string, lines: number): Promise<Started> {
  const [command = '', ...rest] = argv;
  await mkdir(`${labDirectory(lab)}/logs`, { recursive: true });
  const file = `${labDirectory(lab)}/logs/${name}-init.log`;
  const log = openSync(file, 'a');
  const child = spawn(command, rest, {
    detached: true,
    stdio: ['pipe', 'pipe', log],
    env: { ...process.env, ...systemGroups(lab) },
  });
  closeSync(log);
  child.unref();
  (child.stdin as Socket).unref();
  const [pid = ''] = await firstLines(child, lines, file);
  const init = identify(Number(pid));
  if (!init) throw new Error(`the first process of ${name} ended at once:\n${lastLines(file)}`);
  return { child, init };
}

/** Reads the child's first lines, then lets go of its output. */
function firstLines(child: ChildProcess, count: number, log: string): Promise<readonly string[]> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`opening namespaces: exit ${code}\n${lastLines(log)}`)));
    const output = child.stdout as Readable;
    const reader = createInterface({ input: output });
    reader.on('line', (line) => {
      lines.push(line);
      if (lines.length < count) return;
      reader.close();
      output.destroy();
      resolve(lines);
    });
  });
}

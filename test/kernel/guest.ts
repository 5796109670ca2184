import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecResult } from '../lab/exec.ts';
import { quoted } from '../lab/uml.ts';
import { machine } from './machine.ts';

/** What a program finds in its guest. */
export interface GuestOptions {
  /** Memory in MiB. */
  readonly memory?: number;
  /** Further words of the kernel's command line. */
  readonly words?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Folders of the host that the program may write to, by their path in the guest. */
  readonly shares?: Readonly<Record<string, string>>;
  /** Milliseconds after which the guest is ended, and the call fails. */
  readonly timeout?: number;
  /** Ends the guest, and the call fails. */
  readonly signal?: AbortSignal;
}

/** A guest that ended before its program did. */
export class GuestEnded extends Error {
  constructor(argv: readonly string[], console: string, output: string) {
    super(
      `the guest ended before ${argv.join(' ')} did; its console:\n${end(console)}\nwhat the program had written:\n${end(output)}`,
    );
    this.name = 'GuestEnded';
  }
}

/**
 * Boots a kernel (machine.ts) whose root is this machine's files, runs one program in it as root, and gives
 * what that wrote and its exit status. Whatever it writes outside the shares is gone with the guest; nothing is left of it.
 * @throws GuestEnded if the kernel ended first: a panic, `timeout` or `signal`.
 */
export async function runInGuest(argv: readonly string[], options: GuestOptions = {}): Promise<ExecResult> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-guest-'));
  const results = join(folder, 'results');
  try {
    await mkdir(results);
    const { memory = 1024, words = [], shares = {}, timeout, signal } = options;
    const limits = { ...(timeout === undefined ? {} : { timeout }), ...(signal === undefined ? {} : { signal }) };
    const guest = { folder, body: bodyOf(argv, options), shares: { ...shares, [RESULTS]: results }, memory, words };
    const console = await machine()(guest, limits);
    const { status, ...output } = await written(results);
    if (status === '') throw new GuestEnded(argv, console, output.stdout + output.stderr);
    return { code: Number(status), ...output };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function written(results: string) {
  const text = async (name: string) => {
    const file = join(results, name);
    return existsSync(file) ? readFile(file, 'utf8') : '';
  };
  return { stdout: await text('stdout'), stderr: await text('stderr'), status: await text('status') };
}

function end(text: string): string {
  return text.split('\n').slice(-60).join('\n');
}

const RESULTS = '/run/results';

function bodyOf(argv: readonly string[], { cwd = '/', env = {} }: GuestOptions): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return [
    // As systemd lets programs have open files; the kernel by itself lets them have 4,096.
    'ulimit -Hn 524288',
    `cd ${quoted(cwd)}`,
    ...exports,
    'status=0',
    `${argv.map(quoted).join(' ')} >${RESULTS}/stdout 2>${RESULTS}/stderr </dev/null || status=$?`,
    `echo $status >${RESULTS}/status`,
  ].join('\n');
}

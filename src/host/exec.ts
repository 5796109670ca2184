import { type ChildProcess, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { ExecError } from './exec-error.ts';

export interface RunOptions {
  /** A file that the command reads as its standard input. */
  readonly inputFile?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** 10 s unless given. */
  readonly timeoutMs?: number | undefined;
  /** Keeps what the command wrote to stderr out of an error, for commands that might quote a secret there. */
  readonly secret?: boolean | undefined;
}

/** How a command that was started ended. */
export interface Exit {
  readonly exitCode?: number | undefined;
  readonly signal?: NodeJS.Signals | undefined;
  /** The end of what it wrote to stderr, or why it could not be started. */
  readonly stderr: string;
}

/** A command that runs until it is stopped. */
export interface Running {
  readonly pid: number | undefined;
  /** Never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
}

/** Runs programs by argv, never through a shell. */
export interface Commands {
  /** The command's stdout. @throws {ExecError} when it does not end with exit code 0. */
  run(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a command that stays; `onLine` gets its stdout. */
  start(argv: readonly string[], onLine?: (line: string) => void): Running;
}

/** What a command may take that is given no other time, in milliseconds. */
export const TIMEOUT_MS = 10_000;
const STDERR_TAIL = 2000;
/** Nothing of our own environment reaches a command: it holds the cluster's addresses and whatever the pod was given. */
export const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  LOG_LEVEL: 'error',
};

/**
 * Commands of this machine, each behind `prefix` (such as `nsenter …` to work in another network namespace), found on `path`, which is that
 * of a system's own programs unless given.
 */
export function createCommands(prefix: readonly string[] = [], path: string = ENVIRONMENT.PATH): Commands {
  const env = { ...ENVIRONMENT, PATH: path };
  return {
    run: (argv, options) => run([...prefix, ...argv], argv, { ...options, env }),
    start: (argv, onLine) => start([...prefix, ...argv], env, onLine),
  };
}

interface Spawning extends RunOptions {
  readonly env: NodeJS.ProcessEnv;
}

async function run(full: readonly string[], argv: readonly string[], options: Spawning): Promise<string> {
  const input = options.inputFile === undefined ? undefined : await open(options.inputFile);
  try {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
    const child = launch(full, { stdin: input?.fd ?? 'ignore', env: options.env, signal });
    const chunks: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    const exit = await ended(child);
    if (exit.exitCode === 0) return Buffer.concat(chunks).toString();
    options.signal?.throwIfAborted();
    const stderr = options.secret === true && child.pid !== undefined ? '' : exit.stderr;
    throw new ExecError({ argv, ...exit, stderr, timedOut: timeout.aborted });
  } finally {
    await input?.close();
  }
}

function start(full: readonly string[], env: NodeJS.ProcessEnv, onLine: ((line: string) => void) | undefined): Running {
  const child = launch(full, { stdin: 'ignore', env });
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => onLine?.(line));
  const exited = ended(child);
  const stop = async () => {
    child.kill('SIGTERM');
    const impatience = setTimeout(() => child.kill('SIGKILL'), 2000);
    await exited;
    clearTimeout(impatience);
  };
  return { pid: child.pid, exited, stop };
}

interface Launching {
  readonly stdin: number | 'ignore';
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

function launch([file = '', ...args]: readonly string[], { stdin, env, signal }: Launching): ChildProcess {
  const kill = { ...(signal === undefined ? {} : { signal }), killSignal: 'SIGKILL' as const };
  return spawn(file, args, { stdio: [stdin, 'pipe', 'pipe'], env, ...kill });
}

function ended(child: ChildProcess): Promise<Exit> {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-STDERR_TAIL);
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ stderr: error.message });
    });
    child.on('close', (exitCode, signal) =>
      resolve({ exitCode: exitCode ?? undefined, signal: signal ?? undefined, stderr: stderr.trim() }),
    );
  });
}

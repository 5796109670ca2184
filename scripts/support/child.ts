import { type SpawnOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Where the child's output goes: to the user, or into the result. */
  readonly output?: 'inherit' | 'capture';
  /** Ends the child: SIGINT first, so that it can clean up, then harder. */
  readonly signal?: AbortSignal;
  /** How long the child may take to clean up after SIGINT, in milliseconds. */
  readonly grace?: number;
}

export interface ChildResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const DEFAULT_GRACE = 90_000;

/**
 * Runs a command without standard input in a process group of its own, so that Ctrl-C in a terminal reaches it once and in our
 * order. Never throws for an exit status; throws when the command cannot be started.
 */
export function runChild(argv: readonly [string, ...string[]], options: ChildOptions = {}): Promise<ChildResult> {
  const [command, ...words] = argv;
  const output = options.output === 'capture' ? 'pipe' : 'inherit';
  const settings: SpawnOptions = {
    detached: true,
    stdio: ['ignore', output, output],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  };
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, settings);
    const text = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
    const forget = endWhenAborted(child.pid, options);
    child.on('error', (error) => {
      forget();
      reject(new Error(`start ${command}`, { cause: error }));
    });
    child.on('close', (code, signal) => {
      forget();
      resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), ...text });
    });
  });
}

/** On abort: SIGINT to the child alone, after the grace SIGTERM and then SIGKILL to all it started. Returns how to stop caring. */
function endWhenAborted(pid: number | undefined, { signal, grace = DEFAULT_GRACE }: ChildOptions): () => void {
  if (pid === undefined || signal === undefined) return () => undefined;
  const timers: NodeJS.Timeout[] = [];
  const send = (target: number, name: NodeJS.Signals) => {
    try {
      process.kill(target, name);
    } catch {
      // It has ended by itself.
    }
  };
  const end = () => {
    send(pid, 'SIGINT');
    timers.push(setTimeout(() => send(-pid, 'SIGTERM'), grace));
    timers.push(setTimeout(() => send(-pid, 'SIGKILL'), grace + 5_000));
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return () => {
    signal.removeEventListener('abort', end);
    for (const timer of timers) clearTimeout(timer);
  };
}

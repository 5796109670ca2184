import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

export interface ExecResult {
  /** Exit code; 128 + signal number is not imitated: a killed command has code -1. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  /** Text for the command's standard input; without it the command reads end of file. */
  readonly input?: string | Buffer;
  /** A file for the command's standard input instead. */
  readonly inputFile?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds after which the command is killed and code is -1. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Sees output as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** A command that ended with another code than 0. */
export class ExecError extends Error {
  readonly argv: readonly string[];
  readonly result: ExecResult;
  constructor(argv: readonly string[], result: ExecResult) {
    const said = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-20).join('\n');
    super(`${argv.slice(0, 12).join(' ')}: exit ${result.code}${said === '' ? '' : `\n${said}`}`);
    this.name = 'ExecError';
    this.argv = argv;
    this.result = result;
  }
}

/** Runs a command to its end. Rejects only if it cannot be started at all. */
export function run(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  const [command = '', ...rest] = argv;
  return new Promise((resolve, reject) => {
    const file = options.inputFile === undefined ? undefined : openSync(options.inputFile, 'r');
    const child = spawn(command, rest, {
      stdio: [file ?? (options.input === undefined ? 'ignore' : 'pipe'), 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
      timeout: options.timeout,
      killSignal: 'SIGKILL',
      signal: options.signal,
    });
    if (file !== undefined) closeSync(file);
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        texts[name] += text;
        options.onOutput?.(text);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, ...texts }));
    // A command that ends without reading its input is no fault: its exit code tells the truth.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
  });
}

/** The words before a command that make it die with this process, even if that is killed. */
export const TIED = ['setpriv', '--pdeathsig', 'KILL'] as const;

/** Runs a command and returns its output. @throws ExecError unless it exits with 0. */
export async function output(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
  const result = await run(argv, options);
  if (result.code !== 0) throw new ExecError(argv, result);
  return result.stdout;
}

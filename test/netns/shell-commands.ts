import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { type Commands, createCommands, ENVIRONMENT, type RunOptions, TIMEOUT_MS } from '../../src/host/exec.ts';
import { ExecError } from '../../src/host/exec-error.ts';
import { quoted } from '../lab/uml.ts';

/** A guest says how many times as long as usual its commands may take (../kernel/inside.ts). */
const SLOWNESS = Number(process.env.SALLYPORT_GUEST ?? '1');

/** Commands that keep shells, which end with them. */
export interface ShellCommands extends Commands {
  dispose(): void;
}

/**
 * As `createCommands(enter)`, and cheaper: to start a program, the memory map of whoever starts it is copied, which takes a process of
 * vitest's size ten milliseconds and more of the processor and a guest a tenth of a second; a small shell that is inside already takes
 * one. One shell runs one command at a time; there are as many as commands at once.
 */
export function createShellCommands(enter: readonly string[]): ShellCommands {
  const idle: Shell[] = [];
  const all = new Set<Shell>();
  return {
    start: createCommands(enter).start,
    async run(argv, options = {}) {
      const shell = idle.pop() ?? new Shell(enter);
      all.add(shell);
      const answer = await shell.run(argv, options);
      idle.push(shell);
      return output(argv, answer, options.secret);
    },
    dispose() {
      for (const shell of all) shell.kill();
    },
  };
}

interface ShellAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function output(argv: readonly string[], { exitCode, stdout, stderr }: ShellAnswer, secret = false): string {
  if (exitCode === 0) return stdout;
  throw new ExecError({ argv, ...ending(exitCode), stderr: secret ? '' : stderr.trim(), timedOut: false });
}

/** A shell tells of a program that a signal ended by 128 and the signal's number. */
function ending(exitCode: number) {
  const signal = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
  return signal === undefined ? { exitCode } : { signal };
}

/** A shell inside that reads commands; each of its answers ends with a word that no program says. */
class Shell {
  readonly #child: ChildProcess;
  readonly #mark = randomBytes(12).toString('hex');
  readonly #stdout: Tail;
  readonly #stderr: Tail;
  readonly #ended: Promise<never>;

  constructor(enter: readonly string[]) {
    const [command = '', ...words] = [...enter, 'sh'];
    this.#child = spawn(command, words, { stdio: 'pipe', env: ENVIRONMENT, detached: true });
    this.#ended = new Promise((_, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', () => reject(new Error('the shell has ended')));
    });
    this.#ended.catch(() => undefined);
    this.#child.stdin?.on('error', () => undefined);
    this.#stdout = new Tail(this.#child.stdout as Readable);
    this.#stderr = new Tail(this.#child.stderr as Readable);
  }

  /** @throws what aborted it, or an ExecError after the timeout; the shell is of no use after that. */
  async run(argv: readonly string[], { inputFile = '/dev/null', signal, timeoutMs }: RunOptions): Promise<ShellAnswer> {
    const mark = this.#mark;
    const end = `printf '%s %d\\n' ${mark} $?; printf '%s\\n' ${mark} >&2`;
    this.#child.stdin?.write(`${argv.map(quoted).join(' ')} <${quoted(inputFile)}; ${end}\n`);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new ExecError({ argv, stderr: '', timedOut: true })),
      (timeoutMs ?? TIMEOUT_MS) * SLOWNESS,
    );
    const abort = () => late.reject(signal?.reason);
    signal?.addEventListener('abort', abort);
    try {
      signal?.throwIfAborted();
      const both = Promise.all([this.#stdout.until(mark), this.#stderr.until(mark)]);
      const [[stdout, rest], [stderr]] = await Promise.race([both, late.promise, this.#ended]);
      return { exitCode: Number(rest), stdout, stderr };
    } catch (error) {
      this.kill();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends it, and the command that it runs. */
  kill(): void {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    process.kill(-this.#child.pid, 'SIGKILL');
  }
}

/** What a stream has said since it was last asked. */
class Tail {
  #text = '';
  #heard = Promise.withResolvers<void>();

  constructor(stream: Readable) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    });
  }

  /** The text before a mark, and that between the mark and the end of its line, once both are there. */
  async until(mark: string): Promise<readonly [before: string, rest: string]> {
    for (;;) {
      const at = this.#text.indexOf(mark);
      const end = at < 0 ? -1 : this.#text.indexOf('\n', at);
      if (end >= 0) {
        const found = [this.#text.slice(0, at), this.#text.slice(at + mark.length, end)] as const;
        this.#text = this.#text.slice(end + 1);
        return found;
      }
      await this.#heard.promise;
    }
  }
}

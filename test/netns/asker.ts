import { type ChildProcess, spawn } from 'node:child_process';
import { on } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = join(import.meta.dirname, 'programs/asker.ts');
const PATIENCE_MS = 20_000;

/** The answer of a program of ours that asked from inside a namespace. */
export interface Answer {
  readonly answer: unknown;
  readonly ms: number;
}

/**
 * One program in a namespace that asks all questions from there (programs/asker.ts), one after the other: starting a program for
 * each takes longer than all packets of the question, and many times as long in a guest. It ends with whoever started it.
 */
export class Asker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<unknown>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(enter: readonly string[]) {
    const [command = '', ...words] = [...enter, process.execPath, PROGRAM];
    this.#child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    // That it has ended is told by the answer that does not come.
    this.#child.stdin?.on('error', () => undefined);
    const lines = createInterface({ input: this.#child.stdout ?? process.stdin });
    this.#lines = on(lines, 'line', { close: ['close'] });
  }

  /** @throws Error without an answer within 20 s, or when the program has ended. */
  ask(question: string): Promise<Answer> {
    const answer = this.#last.then(() => this.#exchange(question));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  async #exchange(question: string): Promise<Answer> {
    this.#child.stdin?.write(`${question}\n`);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no answer to ${question}`)), PATIENCE_MS);
    try {
      const { value, done } = await Promise.race([this.#lines.next(), late.promise]);
      if (done === true) throw new Error(`the asker ended at ${question}`);
      return JSON.parse((value as [string])[0]);
    } finally {
      clearTimeout(timer);
    }
  }
}

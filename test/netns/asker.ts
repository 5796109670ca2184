import { type ChildProcess, spawn } from 'node:child_process';
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
 * One program in a namespace that asks all questions from there (programs/asker.ts), as many at once as it is asked: starting a program
 * for each takes longer than all packets of the question, and many times as long in a guest. It ends with whoever started it.
 */
export class Asker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #ended = Promise.withResolvers<never>();
  #asked = 0;

  constructor(enter: readonly string[]) {
    const [command = '', ...words] = [...enter, process.execPath, PROGRAM];
    this.#child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    // That it has ended is told by the answer that does not come.
    this.#child.stdin?.on('error', () => undefined);
    this.#ended.promise.catch(() => undefined);
    this.#child.on('error', this.#ended.reject);
    this.#child.on('close', () => this.#ended.reject(new Error('the asker has ended')));
    createInterface({ input: this.#child.stdout ?? process.stdin }).on('line', (line) => this.#take(line));
  }

  /** @throws Error without an answer within 20 s, or when the program has ended. */
  async ask(question: string): Promise<Answer> {
    this.#asked += 1;
    const number = this.#asked;
    const answered = Promise.withResolvers<Answer>();
    this.#waiting.set(number, answered.resolve);
    this.#write(`${number} ${question}\n`);
    const timer = setTimeout(() => answered.reject(new Error(`no answer to ${question}`)), PATIENCE_MS);
    try {
      return await Promise.race([answered.promise, this.#ended.promise]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(number);
    }
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  /** What is asked at the same moment is written at once. */
  #write(line: string): void {
    const { stdin } = this.#child;
    if (stdin?.writableCorked === 0) {
      stdin.cork();
      process.nextTick(() => stdin.uncork());
    }
    stdin?.write(line);
  }

  #take(line: string): void {
    const { number, ...answer } = JSON.parse(line);
    this.#waiting.get(number)?.(answer);
  }
}

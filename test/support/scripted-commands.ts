import type { Commands, Running, RunOptions } from '../../src/host/exec.ts';
import { ExecError } from '../../src/host/exec-error.ts';

/** What a command answers: its stdout, or how it fails. */
export type Answer = string | { readonly exitCode: number; readonly stderr: string };

/** Commands that answer as a test says and remember what they were asked. */
export class ScriptedCommands implements Commands {
  readonly asked: string[] = [];
  readonly #answer: (line: string) => Answer;

  constructor(answer: (line: string) => Answer) {
    this.#answer = answer;
  }

  async run(argv: readonly string[], _options?: RunOptions): Promise<string> {
    const line = argv.join(' ');
    this.asked.push(line);
    const answer = this.#answer(line);
    if (typeof answer === 'string') return answer;
    throw new ExecError({ argv, ...answer, timedOut: false });
  }

  start(): Running {
    throw new Error('no command of this test stays');
  }
}

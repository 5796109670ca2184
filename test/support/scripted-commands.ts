import type { Commands, Running, RunOptions } from '../../src/host/exec.ts';
import { ExecError } from '../../src/host/exec-error.ts';

/** What a command answers: its stdout, or how it fails. */
export type Answer = string | { readonly exitCode: number; readonly stderr: string };

/** Commands that answer as a test says and remember what they were asked. */
export class ScriptedCommands implements Commands {
  readonly asked: string[] = [];
  /** Those whose answer was taken line by line. */
  readonly streamed: string[] = [];
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

  /** The same answer, line by line. */
  start(argv: readonly string[], onLine?: (line: string) => void): Running {
    this.streamed.push(argv.join(' '));
    const exited = this.run(argv).then(
      (text) => {
        for (const line of text.split('\n').slice(0, -1)) onLine?.(line);
        return { exitCode: 0, stderr: '' };
      },
      (error: ExecError) => ({ exitCode: error.facts.exitCode, stderr: error.facts.stderr }),
    );
    return { pid: undefined, exited, stop: async () => void (await exited) };
  }
}

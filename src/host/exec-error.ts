/** How a command failed. What it wrote to stdout is not among it: the output of `wg show dump` holds the private key. */
export interface ExecFacts {
  readonly argv: readonly string[];
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly timedOut: boolean;
  readonly stderr: string;
}

/** A command did not end with exit code 0. */
export class ExecError extends Error {
  readonly facts: ExecFacts;

  constructor(facts: ExecFacts) {
    super(execMessage(facts));
    this.name = 'ExecError';
    this.facts = facts;
  }
}

const MAX_COMMAND = 100;

/** One sentence: the command, cut short, how it ended, and the first lines of what it said about it; wireguard-go frames a notice before it. */
export function execMessage(facts: ExecFacts): string {
  const command = facts.argv.join(' ');
  const short = command.length <= MAX_COMMAND ? command : `${command.slice(0, MAX_COMMAND)}…`;
  const said = facts.stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /[^\s^~]/.test(line) && !/^[┌│└]/.test(line))
    .slice(0, 3)
    .join('; ');
  return `\`${short}\` ${ending(facts)}${said === '' ? '' : `: ${said}`}`;
}

/** The program that could not be started because there is none of that name on the PATH. */
export function missingProgram(error: unknown): string | undefined {
  if (!(error instanceof ExecError) || error.facts.exitCode !== undefined) return undefined;
  return /^spawn \S+ ENOENT$/.test(error.facts.stderr) ? error.facts.argv[0] : undefined;
}

/** Whether the error is a command's that said something like this on stderr. */
export function failedSaying(error: unknown, pattern: RegExp): boolean {
  return error instanceof ExecError && pattern.test(error.facts.stderr);
}

function ending({ exitCode, signal, timedOut }: ExecFacts): string {
  if (timedOut) return 'took too long and was stopped';
  if (exitCode !== undefined) return `failed with exit code ${exitCode}`;
  return signal === undefined ? 'could not be started' : `was ended by ${signal}`;
}

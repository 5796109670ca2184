import { styleText } from 'node:util';

/** Prints a result on standard output, as it is. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Tells a person something on standard error, so that a pipe gets results alone. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Text in a colour or weight where the stream is a terminal that wants it (NO_COLOR, FORCE_COLOR and TERM count). */
export function styled(
  format: Parameters<typeof styleText>[0],
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return styleText(format, text, { stream });
}

/** A mistake of the person at the keyboard, or a refusal: a sentence with its remedy, without a stack. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

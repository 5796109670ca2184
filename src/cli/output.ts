/** Prints a result on standard output, as it is. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Tells a person something on standard error, so that a pipe gets results alone. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A mistake of the person at the keyboard: a sentence with its remedy, without a stack. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** A value that is right once it exists, or a sentence that says what is wrong with the text it came from. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** The success side of a Parsed. */
export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

/** The failure side of a Parsed. `problem` is a sentence without a final full stop that quotes the offending text. */
export function refused(problem: string): Parsed<never> {
  return { ok: false, problem };
}

/** Text as a problem quotes it: a long one is cut, because problems end up in conditions and logs. */
export function quoted(text: string): string {
  return text.length <= 80 ? `"${text}"` : `"${text.slice(0, 77)}..."`;
}

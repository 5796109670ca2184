const ESC = '\u001b';
const TOKEN = new RegExp(`${ESC}\\[[0-9;?]*[A-Za-z]|[\r\n]|[^${ESC}\r\n]+`, 'g');
/** Colours, and whether the cursor is seen. */
const SILENT = new RegExp(`^${ESC}\\[([0-9;]*m|\\?\\d+[hl])$`);
const ERASE_LINE = `${ESC}[2K`;
const CLEARS: ReadonlySet<string> = new Set([`${ESC}[H`, `${ESC}[2J`]);

interface Screen {
  readonly lines: readonly string[];
  readonly column: number;
}

/**
 * What stands on a terminal after this was written to it: lines, carriage returns, "erase line" and "clear screen" count, colours do not.
 * Anything else that moves the cursor is refused, so that nothing is shown that nobody saw.
 */
export function screenOf(written: string): string {
  const tokens = [...written.matchAll(TOKEN)].map(([token]) => token);
  const { lines } = tokens.reduce(after, { lines: [''], column: 0 });
  const shown = lines.map((line) => line.trimEnd()).join('\n');
  return shown.trim();
}

function after({ lines, column }: Screen, token: string): Screen {
  if (token === '\n') return { lines: [...lines, ''], column: 0 };
  if (token === '\r') return { lines, column: 0 };
  if (CLEARS.has(token)) return { lines: [''], column: 0 };
  if (token === ERASE_LINE) return { lines: lines.with(-1, ''), column };
  if (SILENT.test(token)) return { lines, column };
  if (token.startsWith(ESC)) throw new Error(`what does ${JSON.stringify(token)} do?`);
  const line = lines.at(-1) ?? '';
  const written = line.padEnd(column).slice(0, column) + token + line.slice(column + token.length);
  return { lines: lines.with(-1, written), column: column + token.length };
}

/** A screen without what differs from one time to the next: numbers, their units, and the widths of columns. */
export function withoutNumbers(screen: string): string {
  return screen
    .replaceAll(/\d+(\.\d+)*/g, '#')
    .replaceAll(/# (s|min|h|d|B|[KMG]iB|ms)\b/g, '# unit')
    .split('\n')
    .map((line) => line.trim().split(/ +/).join(' '))
    .join('\n');
}

import { existsSync, readFileSync } from 'node:fs';

/** The last lines of a log, for people. */
export function lastLines(file: string, count = 20): string {
  if (!existsSync(file)) return `(no ${file})`;
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}

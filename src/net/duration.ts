import { type Parsed, parsed, quoted, refused } from './parsed.ts';

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const TEXT = /^([1-9]\d{0,5})(s|m|h|d)$/;

/** Milliseconds of a text such as `90s`, `45m`, `8h` or `30d`. */
export function parseDuration(text: string): Parsed<number> {
  const [, count = '', unit = ''] = TEXT.exec(text) ?? [];
  if (count === '') return refused(`${quoted(text)} is no duration such as 90s, 45m, 8h or 30d`);
  return parsed(Number(count) * UNITS[unit as keyof typeof UNITS]);
}

/** Milliseconds as people say them, in one unit: `42 s`, `3 min`, `5 h`, `2 d`. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

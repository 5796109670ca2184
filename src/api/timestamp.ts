/** RFC 3339 in UTC, as Kubernetes stores times, of milliseconds since the epoch. */
export function timestamp(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

/** Milliseconds since the epoch of an RFC 3339 time; NaN for other text. */
export function milliseconds(text: string): number {
  return Date.parse(text);
}

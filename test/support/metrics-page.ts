/** The samples of a page for Prometheus, by name with labels as they are printed there. @throws for a line that is neither a sample nor a comment. */
export function samplesOf(page: string): ReadonlyMap<string, number> {
  const samples = new Map<string, number>();
  for (const line of page.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, series, value] = /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (series === undefined || Number.isNaN(Number(value))) throw new Error(`not a sample: ${line}`);
    if (samples.has(series)) throw new Error(`twice on one page: ${series}`);
    samples.set(series, Number(value));
  }
  return samples;
}

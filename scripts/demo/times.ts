import type { ExecResult } from '../../test/lab/exec.ts';

const SAMPLES = 10;

/** Milliseconds that curl took, as it prints them itself, for ten requests in a row. */
export async function timesOf(ask: () => Promise<ExecResult>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < SAMPLES; i += 1) {
    const { code, stdout, stderr } = await ask();
    if (code !== 0) throw new Error(`request ${i + 1} of ${SAMPLES} got no answer: ${stderr.trim()}`);
    times.push(Number(stdout) * 1_000);
  }
  return times;
}

/** The middle and the worst of some times in milliseconds. */
export function describeTimes(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.round(share * (sorted.length - 1))] ?? 0).toFixed(1);
  return `answered after ${at(0.5)} ms (median of ${times.length} requests, name look-up included; slowest ${at(1)} ms)`;
}

/** Datagrams without an echo that were sent within a short while. */
export interface Gap {
  /** When the first and the last of them were sent, in milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly packets: number;
}

/** What lies no further apart than this belongs together, also where single ones of many are lost. */
const TOGETHER_MS = 50;
/** More of them tell nobody more. */
const MOST_TOLD = 5;

/** These gaps with one more, which begins after all of them. */
export function withGap(gaps: readonly Gap[], next: Gap): readonly Gap[] {
  const last = gaps.at(-1);
  if (last === undefined || next.from - last.to > TOGETHER_MS) return [...gaps, next];
  return [...gaps.slice(0, -1), { from: last.from, to: next.to, packets: last.packets + next.packets }];
}

/** When it was that packets were lost, in words: counted from a time in milliseconds since 1970, which is told too, to be looked for in logs. */
export function gapsText(gaps: readonly Gap[], since: number): string {
  const seconds = (at: number) => ((at - since) / 1000).toFixed(3);
  const told = gaps
    .slice(0, MOST_TOLD)
    .map(({ from, to, packets }) => `${packets} from ${seconds(from)} to ${seconds(to)} s`);
  const more = gaps.length > MOST_TOLD ? [`and in ${gaps.length - MOST_TOLD} more gaps`] : [];
  return `${[...told, ...more].join(', ')} after ${new Date(since).toISOString()}`;
}

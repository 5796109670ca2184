import { setTimeout as delay } from 'node:timers/promises';

const QUIET_MS = 2_000;
const REPEAT_MS = 10_000;

/** Prints one line about the lab. */
export function say(text: string): void {
  console.log(`lab: ${text}`);
}

/** Waits for work, and tells what is being waited for once that takes longer than two seconds. */
export async function step<T>(text: string, work: Promise<T>): Promise<T> {
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
  let told = false;
  const tell = () => {
    say(told ? `${text} … ${seconds()} s` : `${text} …`);
    told = true;
    timer = setTimeout(tell, REPEAT_MS);
  };
  let timer = setTimeout(tell, QUIET_MS);
  try {
    const value = await work;
    if (told) say(`${text}: done after ${seconds()} s`);
    return value;
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is not undefined. @throws Error with `what` after `timeout` milliseconds. */
export async function poll<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  { timeout = 60_000, interval = 100 }: { readonly timeout?: number; readonly interval?: number } = {},
): Promise<T> {
  const deadline = performance.now() + timeout;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeout / 1000} s`);
    await delay(interval);
  }
}

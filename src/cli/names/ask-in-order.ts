import { RCODE, rcodeOf } from '../../laptop/names/dns-message.ts';

/** Asks one server. */
export type Ask = (address: string, signal: AbortSignal) => Promise<Uint8Array>;

/** How patient a question is, in milliseconds. */
export interface Patience {
  /** The next server is asked as well after so long; at once when one fails. */
  readonly stepMs: number;
  /** How often each is asked: datagrams get lost. */
  readonly rounds: number;
  readonly wholeMs: number;
}

/** C libraries ask the next server after SERVFAIL, NOTIMP and REFUSED; so do we. */
const FAILURES: ReadonlySet<number> = new Set([RCODE.servFail, RCODE.notImp, RCODE.refused]);

/**
 * The first good answer of any of the servers, which are asked in order. Whoever was asked earlier may still answer while later ones
 * are asked. Where all fail, one of their failures; undefined when none of them answers.
 */
export async function askInOrder(
  servers: readonly string[],
  ask: Ask,
  { stepMs, rounds, wholeMs }: Patience,
): Promise<Uint8Array | undefined> {
  const over = new AbortController();
  const first = Promise.withResolvers<Uint8Array | undefined>();
  const deadline = setTimeout(() => first.resolve(undefined), wholeMs);
  let failure: Uint8Array | undefined;
  const attempts = Array.from({ length: rounds }, () => servers).flat();
  const attempt = async (address: string) => {
    const answer = await ask(address, over.signal).catch(() => undefined);
    if (answer !== undefined && !FAILURES.has(rcodeOf(answer))) first.resolve(answer);
    else failure ??= answer;
  };
  const all: Promise<void>[] = [];
  const begin = async () => {
    for (const address of attempts) {
      const current = attempt(address);
      all.push(current);
      await Promise.race([current, first.promise, pause(stepMs, over.signal)]);
      if (over.signal.aborted) return;
    }
    await Promise.all(all);
    first.resolve(undefined);
  };
  const begun = begin();
  try {
    return (await first.promise) ?? failure;
  } finally {
    clearTimeout(deadline);
    over.abort();
    await begun;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

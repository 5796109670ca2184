/** What an interface has carried since it was made, as the kernel counts it. */
export interface Counters {
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
}

/** What the counters of an interface say about whether anybody answers. Times are monotonic milliseconds. */
export interface Silence {
  readonly counters: Counters | undefined;
  /** When something was first seen to be sent that nothing has followed yet; undefined when all was answered. */
  readonly unansweredSince: number | undefined;
  readonly heardAt: number;
  /** Whether somebody else than us has been answered, or has sent anything, since this was last reset. */
  readonly hasHeard: boolean;
  readonly hasSent: boolean;
}

/** When the counters were read, and whether packets of our own checks may be in them, which say nothing about applications. */
export interface Reading {
  readonly counters: Counters;
  readonly now: number;
  readonly isOurs: boolean;
}

/** WireGuard's keepalive, the largest packet that asks for no answer: a sealed nothing. Kernels count 16 or 32 bytes for it. */
const KEEPALIVE_BYTES = 32;

export const NO_SILENCE: Silence = {
  counters: undefined,
  unansweredSince: undefined,
  heardAt: Number.NEGATIVE_INFINITY,
  hasHeard: false,
  hasSent: false,
};

/**
 * The silence after another reading. Where both counters have grown, the later packet is taken to be the received one: who waits will
 * send again. The first reading, and one after the interface was made anew, tells nothing.
 */
export function listen(silence: Silence, { counters, now, isOurs }: Reading): Silence {
  const before = silence.counters;
  if (before === undefined || counters.rxPackets < before.rxPackets || counters.txPackets < before.txPackets)
    return { ...silence, counters, unansweredSince: undefined };
  const hasHeard = counters.rxPackets > before.rxPackets;
  const hasSent = !isOurs && asksForAnswer(before, counters);
  return {
    counters,
    unansweredSince: hasHeard ? undefined : (silence.unansweredSince ?? (hasSent ? now : undefined)),
    heardAt: hasHeard ? now : silence.heardAt,
    hasHeard: silence.hasHeard || (hasHeard && !isOurs),
    hasSent: silence.hasSent || hasSent,
  };
}

/** The silence after the path was found to work: what was sent so far needs no answer any more. */
export function answered(silence: Silence): Silence {
  return { ...silence, unansweredSince: undefined, hasHeard: false, hasSent: false };
}

function asksForAnswer(before: Counters, { txPackets, txBytes }: Counters): boolean {
  return txBytes - before.txBytes > KEEPALIVE_BYTES * (txPackets - before.txPackets);
}

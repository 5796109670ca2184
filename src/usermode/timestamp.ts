import { viewOf } from './bytes.ts';

const TIMESTAMP_LENGTH = 12;

/** TAI64's label of 1970, plus the ten leap seconds that the other implementations use as well. */
const BASE = 0x400000000000000an;
/** Coarser than the clock (16.8 ms), so that a handshake does not reveal it exactly. */
const STEP_NS = 1n << 24n;
const SECOND_NS = 1_000_000_000n;

/**
 * The TAI64N label of a wall clock time in milliseconds, in steps of 16.8 ms; when `last` is given, always
 * later than that, because a responder refuses an initiation that is not newer than the one before it.
 */
export function timestampAt(unixMs: number, last?: Uint8Array): Uint8Array {
  const now = encoded(whitened(BigInt(Math.floor(unixMs)) * 1_000_000n));
  if (last === undefined || isLater(now, last)) return now;
  return encoded(whitened(decoded(last) + STEP_NS));
}

/** True when the first label is later than the second; labels sort as their bytes do. */
export function isLater(first: Uint8Array, second: Uint8Array): boolean {
  return Buffer.compare(first, second) > 0;
}

/** Rounds down to a step within its second. */
function whitened(ns: bigint): bigint {
  const second = ns - (ns % SECOND_NS);
  return second + ((ns - second) & ~(STEP_NS - 1n));
}

function encoded(ns: bigint): Uint8Array {
  const label = new Uint8Array(TIMESTAMP_LENGTH);
  const view = viewOf(label);
  view.setBigUint64(0, BASE + ns / SECOND_NS);
  view.setUint32(8, Number(ns % SECOND_NS));
  return label;
}

function decoded(label: Uint8Array): bigint {
  const view = viewOf(label);
  return (view.getBigUint64(0) - BASE) * SECOND_NS + BigInt(view.getUint32(8));
}

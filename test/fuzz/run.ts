import { randomFrom } from '../support/bad-network/random.ts';
import type { Random } from './mutate.ts';

/** A parser of outside text and what it promises. */
export interface FuzzTarget {
  readonly name: string;
  /** The next input: a good one, changed. */
  next(random: Random): unknown;
  /** Parses it. Returns whether it was taken; throws when a promise is broken. */
  accepts(input: unknown): boolean | Promise<boolean>;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly inputs: number;
  /** Milliseconds after which no further input is begun, but for the first hundred. */
  readonly withinMs?: number;
  /** An input that takes more than so many milliseconds, also of the processor, hangs (default 1000): a pause of the machine is none of it. */
  readonly hangMs?: number;
  readonly onProgress?: (done: number) => void;
}

/** What came of a run that broke no promise. */
export interface FuzzResult {
  readonly inputs: number;
  readonly accepted: number;
  readonly seconds: number;
  /** Without pauses of the machine. */
  readonly slowestMs: number;
}

/** An input that broke a promise, with what it takes to see it again. */
export class FuzzFailure extends Error {
  constructor(target: FuzzTarget, seed: number, index: number, input: unknown, cause: unknown) {
    const text = input instanceof Uint8Array ? `hex ${Buffer.from(input).toString('hex')}` : JSON.stringify(input);
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`${target.name}, seed ${seed}, input ${index}: ${why}\n${text?.slice(0, 4000)}`, { cause });
    this.name = 'FuzzFailure';
  }
}

const PROGRESS_EVERY = 10_000;
/** So many inputs are tried however busy the machine is. */
const LEAST = 100;

/** Feeds a target with changed inputs. @throws {FuzzFailure} at the first that breaks a promise or takes too long */
export async function fuzz(
  target: FuzzTarget,
  { seed, inputs, withinMs, hangMs = 1_000, onProgress }: FuzzOptions,
): Promise<FuzzResult> {
  const random = randomFrom(seed);
  const began = performance.now();
  let accepted = 0;
  let slowestMs = 0;
  let index = 0;
  for (; index < inputs; index += 1) {
    if (withinMs !== undefined && index >= LEAST && performance.now() - began > withinMs) break;
    if (index % PROGRESS_EVERY === 0) onProgress?.(index);
    const input = target.next(random);
    const took = stopwatch();
    try {
      const answer = target.accepts(input);
      // Most answer at once, and to wait for nothing a million times takes seconds.
      if (typeof answer === 'boolean' ? answer : await answer) accepted += 1;
    } catch (cause) {
      throw new FuzzFailure(target, seed, index, input, cause);
    }
    const ms = took();
    slowestMs = Math.max(slowestMs, ms);
    if (ms > hangMs) throw new FuzzFailure(target, seed, index, input, `took ${Math.round(ms)} ms`);
  }
  return { inputs: index, accepted, seconds: (performance.now() - began) / 1000, slowestMs };
}

/** Says how many milliseconds have passed, but no more than this program has computed: others may have had the processor meanwhile. */
function stopwatch(): () => number {
  const began = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return Math.min(performance.now() - began, (user + system) / 1000);
  };
}

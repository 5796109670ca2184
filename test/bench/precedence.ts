import { getPriority, setPriority } from 'node:os';

/** Ten times the share of a program that nobody has asked to wait for. */
const NICENESS = -10;

/** Has this process, and all that it starts meanwhile, go before whatever else the machine does. What it has started keeps that. */
export async function withPrecedence<T>(act: () => Promise<T>): Promise<T> {
  const before = getPriority();
  setPriority(NICENESS);
  try {
    return await act();
  } finally {
    setPriority(before);
  }
}

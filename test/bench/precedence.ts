import { execFileSync } from 'node:child_process';
import { cpus, getPriority, setPriority } from 'node:os';

/** Others get what is left. */
const NICENESS = -20;

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

/**
 * The same on one processor, the last: what the programs of a flow do follows one after the other then, so that how much of it there is in a
 * second tells what it costs, and not how they were spread.
 */
export function onOneProcessor<T>(act: () => Promise<T>): Promise<T> {
  return withPrecedence(async () => {
    runOn(`${cpus().length - 1}`);
    try {
      return await act();
    } finally {
      runOn(`0-${cpus().length - 1}`);
    }
  });
}

function runOn(processors: string): void {
  execFileSync('taskset', ['-cp', processors, String(process.pid)], { stdio: 'ignore' });
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Runs a program on the terminal of this one, with its environment, until it ends. Returns its exit status; 127 when there is no such program. */
export async function runOnTerminal([file = '', ...args]: readonly string[]): Promise<number> {
  const child = spawn(file, args, { stdio: 'inherit' });
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('error', () => resolve(127));
  child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  return promise;
}

/** What a program that goes on by itself said first. */
export interface Farewell {
  readonly pid: number;
  /** Its first line on stdout; undefined when it ended without one. */
  readonly line: string | undefined;
}

/**
 * Starts a program that outlives this one, in a session of its own, with its stderr at the end of a file that root alone reads, and waits for
 * its first line. @throws when it cannot be started
 */
export async function startLeaving([file = '', ...args]: readonly string[], logFile: string): Promise<Farewell> {
  const log = openSync(logFile, 'a', 0o600);
  try {
    const child = spawn(file, args, { detached: true, stdio: ['ignore', 'pipe', log], cwd: '/' });
    await once(child, 'spawn');
    const lines = createInterface({ input: child.stdout ?? process.stdin });
    const line = await Promise.race([
      once(lines, 'line').then(([text]: string[]) => text),
      once(lines, 'close').then(() => undefined),
    ]);
    child.stdout?.destroy();
    child.unref();
    return { pid: child.pid ?? 0, line };
  } finally {
    closeSync(log);
  }
}

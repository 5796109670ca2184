import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A root file system that programs and their libraries are taken from. */
export interface Machine {
  /** What a command there prints. @throws with its exit code as `code` and what it printed as `stdout`, when that is not 0 */
  run(argv: readonly string[]): Promise<string>;
  /** Where a file of it is for us. */
  file(path: string): string;
}

/** The machine that this runs on. */
export const THIS_MACHINE: Machine = { run: output, file: (path) => path };

/** A machine in a folder, be it of another processor whose programs an emulator runs: only its own small programs are started. Needs root. */
export function machineIn(root: string): Machine {
  return { run: (argv) => output(['chroot', root, ...argv]), file: (path) => join(root, path) };
}

async function output([command = '', ...args]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command, args)).stdout;
}

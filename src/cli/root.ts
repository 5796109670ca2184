import { runOnTerminal } from '../host/attended.ts';
import { tell, UserError } from './output.ts';

/** Whether somebody else has to make interfaces and routes. Windows tells by itself who is no administrator. */
export function needsRoot(): boolean {
  return process.platform !== 'win32' && process.getuid?.() !== 0;
}

/** For a system of which this program knows nothing. */
export function unknownPlatform(platform: string): UserError {
  return new UserError(
    `this program brings tunnels up on Linux, macOS and Windows, and this is ${platform}; give its own WireGuard the file of: sallyport config`,
  );
}

/**
 * Runs the same program as root with these words, on this terminal: sudo asks for the password, once. `why` says for what it is needed.
 * Returns the exit status. @throws {UserError} when there is no sudo
 */
export async function asRoot(words: readonly string[], why: string): Promise<number> {
  tell(`${why} needs root; asking sudo to run: sallyport ${words.join(' ')}`);
  const status = await runOnTerminal(['sudo', '--', process.execPath, process.argv[1] ?? '', ...words]);
  if (status === 127) throw new UserError(`there is no sudo here; run this as root: sallyport ${words.join(' ')}`);
  return status;
}

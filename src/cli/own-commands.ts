import { type Commands, createCommands, ENVIRONMENT } from '../host/exec.ts';

/** The programs of a laptop, which may stand outside of the system's own folders, as Homebrew's do. */
export function ownCommands(env: NodeJS.ProcessEnv = process.env): Commands {
  return createCommands([], [env.PATH ?? '', ENVIRONMENT.PATH].filter((path) => path !== '').join(':'));
}

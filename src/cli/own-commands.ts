import { type Commands, createCommands, ENVIRONMENT } from '../host/exec.ts';

/**
 * The programs of a laptop, which may stand outside of the system's own folders, as Homebrew's do. The system's come first: root must not run
 * what somebody else put on the path before them.
 */
export function ownCommands(env: NodeJS.ProcessEnv = process.env): Commands {
  return createCommands([], [ENVIRONMENT.PATH, env.PATH ?? ''].filter((path) => path !== '').join(':'));
}

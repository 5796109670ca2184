import type { Commands } from '../host/exec.ts';

/** The same commands, each told as a line before it runs. Keys never stand in a command, only the names of their files. */
export function toldCommands(commands: Commands, tell: (line: string) => void): Commands {
  const told = (argv: readonly string[]) => tell(`$ ${argv.join(' ')}`);
  return {
    run: (argv, options) => {
      told(argv);
      return commands.run(argv, options);
    },
    start: (argv, onLine) => {
      told(argv);
      return commands.start(argv, onLine);
    },
  };
}

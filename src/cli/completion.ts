import type { Command } from 'commander';

/** The shells that completion is written for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What a shell sources so that it asks this program for completions. */
export const COMPLETIONS: Readonly<Record<Shell, string>> = {
  bash: `# sallyport completion bash > /etc/bash_completion.d/sallyport
_sallyport() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(sallyport complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sallyport sallyport
`,
  zsh: `#compdef sallyport
# sallyport completion zsh > "\${fpath[1]}/_sallyport"
_sallyport() {
  local -a words_there
  words_there=("\${(@f)$(sallyport complete -- "\${words[@]:1:$((CURRENT-1))}" 2>/dev/null)}")
  compadd -a words_there
}
compdef _sallyport sallyport
`,
  fish: `# sallyport completion fish > ~/.config/fish/completions/sallyport.fish
complete -c sallyport -f -a '(sallyport complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
};

/** What may stand where the last of the words stands, in the program `root`; `profiles` are those of this device. */
export function candidates(root: Command, words: readonly string[], profiles: readonly string[]): readonly string[] {
  const before = words.slice(0, -1);
  const last = words.at(-1) ?? '';
  const commands = visible(root);
  const [name] = before;
  if (name === undefined)
    return startingWith(
      last,
      commands.map((command) => command.name()),
    );
  const command = commands.find((each) => each.name() === name);
  if (command === undefined) return [];
  const options = command.createHelp().visibleOptions(command);
  const pending = options.find(
    (option) => option.required && (option.long === before.at(-1) || option.short === before.at(-1)),
  );
  if (pending !== undefined) return startingWith(last, pending.argChoices ?? []);
  if (last.startsWith('-'))
    return startingWith(
      last,
      options.flatMap(({ long }) => long ?? []),
    );
  return takesProfile(command) ? startingWith(last, profiles) : [];
}

function visible(root: Command): readonly Command[] {
  return root.createHelp().visibleCommands(root) as Command[];
}

function takesProfile(command: Command): boolean {
  return command.registeredArguments.some((argument) => argument.name().startsWith('profile'));
}

function startingWith(start: string, words: readonly string[]): readonly string[] {
  return words.filter((word) => word.startsWith(start));
}

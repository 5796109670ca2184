/** A tool of the node answered with something that is not its documented format. The message never quotes the output. */
export class UnreadableOutput extends Error {
  readonly tool: string;

  constructor(tool: string, problem: string) {
    super(`cannot read the output of ${tool}: ${problem}`);
    this.name = 'UnreadableOutput';
    this.tool = tool;
  }
}

const QUIET_MS = 10_000;

/** Tells the story of the demo: numbered steps with the time each took, commands, and what they answered. */
export class Narrator {
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  readonly #began: number;
  #steps = 0;

  constructor(write: (text: string) => void, now: () => number) {
    this.#write = write;
    this.#now = now;
    this.#began = now();
  }

  /** One step in words a newcomer understands. A long one says every ten seconds that it still runs. */
  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    const began = this.#now();
    this.#steps += 1;
    this.#write(`\n${String(this.#steps).padStart(2)}. ${title}`);
    const timer = setInterval(() => this.note(`… ${seconds(this.#now() - began)}`), QUIET_MS);
    try {
      const value = await work();
      this.note(`done after ${seconds(this.#now() - began)}`);
      return value;
    } finally {
      clearInterval(timer);
    }
  }

  note(text: string): void {
    this.#write(indented(text, '    '));
  }

  /** A command as somebody would type it. */
  command(line: string, prompt = '$'): void {
    this.#write(`    ${prompt} ${line}`);
  }

  answer(text: string): void {
    if (text.trim() !== '') this.#write(indented(text.trimEnd(), '      '));
  }

  end(text: string): void {
    this.#write(`\n${text} (${seconds(this.#now() - this.#began)} in all)`);
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function indented(text: string, by: string): string {
  return text
    .split('\n')
    .map((line) => by + line)
    .join('\n');
}

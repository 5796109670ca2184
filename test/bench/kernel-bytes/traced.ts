import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Commands, createCommands } from '../../../src/host/exec.ts';

/** What some commands have asked of the kernel. */
export interface Asked {
  /** The programs that ran, in their order. */
  readonly programs: readonly string[];
  /** All their system calls, from the loading of the program to its end. */
  readonly calls: number;
  /** Netlink messages, by system calls that send or receive them. */
  readonly messages: number;
  /** Bytes of netlink messages, both ways. */
  readonly bytes: number;
}

/** `PID NAME(FD<FILE>, …) = RESULT<FILE>`, as strace writes it with -f and -y. */
const CALL = /^\d+ +(\w+)\((?:\d+<(.*?)>)?.*\) += (-?\d+)(?:<(.*?)>)?/;
const CARRIES = new Set(['sendto', 'sendmsg', 'recvfrom', 'recvmsg', 'read', 'write']);

/** Commands of this machine that can be watched at what they ask of the kernel. */
export class TracedCommands {
  readonly commands: Commands;
  readonly #file: string;
  readonly #plain: Commands;
  #programs: string[] | undefined;

  /** `folder` is for the trace; `enter` leads to where the commands are to run. */
  constructor(folder: string, enter: readonly string[] = []) {
    this.#file = join(folder, 'trace');
    this.#plain = createCommands(enter);
    const traced = createCommands(['strace', '-f', '-qq', '-y', '-A', '-o', this.#file, '--', ...enter]);
    this.commands = {
      start: this.#plain.start,
      run: (argv, options) => {
        this.#programs?.push(argv[0] ?? '');
        return (this.#programs === undefined ? this.#plain : traced).run(argv, options);
      },
    };
  }

  /** What the commands asked that ran during the act. */
  async during(act: () => Promise<unknown>): Promise<Asked> {
    await rm(this.#file, { force: true });
    this.#programs = [];
    const programs = this.#programs;
    try {
      await act();
    } finally {
      this.#programs = undefined;
    }
    return { programs, ...countCalls(programs.length === 0 ? '' : await readFile(this.#file, 'utf8')) };
  }
}

/** Counts in what strace wrote. What was only peeked at is received once more, and counted then. */
export function countCalls(trace: string): Omit<Asked, 'programs'> {
  const sockets = new Set<string>();
  let [calls, messages, bytes] = [0, 0, 0];
  for (const line of trace.split('\n')) {
    const [, name = '', file = '', result = '0', made = ''] = CALL.exec(line) ?? [];
    if (name === '') continue;
    calls += 1;
    if (line.includes(' socket(AF_NETLINK, ')) sockets.add(made);
    if (!sockets.has(file) || !CARRIES.has(name) || line.includes('MSG_PEEK') || Number(result) < 0) continue;
    messages += 1;
    bytes += Number(result);
  }
  return { calls, messages, bytes };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { COMPILED_ONCE } from '../../scripts/support/paths.ts';
import type { Commands } from '../../src/host/exec.ts';
import type { SmallFiles } from '../../src/host/sysctls.ts';
import { type Answer, Asker } from './asker.ts';
import { holdNamespace, letNamespace } from './namespace-guard.ts';
import { type NamespaceHere, namespacesHere, type Question } from './namespaces-here.ts';
import { createShellCommands, type ShellCommands } from './shell-commands.ts';

const SET_UP =
  'mount -t tmpfs tmpfs /run && mkdir /run/wireguard && ip link set lo up && echo ready && exec sleep infinity';

const KEEP_COMPILED = pathToFileURL(join(import.meta.dirname, 'programs/keep-compiled.ts'));
const COMPILED = { ...COMPILED_ONCE, NODE_OPTIONS: `--import=${KEEP_COMPILED}` };
/** A guest is gone with whatever ran in it, and starting a program takes it long. What its host has compiled it reads. */
const isGuest = process.env.SALLYPORT_GUEST !== undefined;
const TIED = isGuest ? [] : ['setpriv', '--pdeathsig', 'KILL', '--'];

/** What programs find in their environment. */
export type Environment = Readonly<Record<string, string>>;

/**
 * A network namespace with a mount namespace of its own, where /run is empty: so WireGuard's sockets of two namespaces do not
 * meet. It ends with this process, whatever ends that, and with it whatever runs in it.
 */
export class Namespace implements NamespaceHere {
  readonly commands: Commands;
  readonly pid: number;
  readonly enter: readonly string[];
  readonly #anchor: ChildProcess;
  readonly #held: string | undefined;
  readonly #shells: ShellCommands;
  #asker: Asker | undefined;
  #lastAsked: Question | undefined;

  private constructor(anchor: ChildProcess, pid: number, environment: Environment) {
    this.#anchor = anchor;
    this.pid = pid;
    this.#held = isGuest ? undefined : holdNamespace(pid);
    const words = Object.entries({ ...COMPILED, ...environment }).map(([name, value]) => `${name}=${value}`);
    this.enter = ['nsenter', '-t', String(pid), '-m', '-n', '--', 'env', ...words, ...TIED];
    this.#shells = createShellCommands(this.enter);
    this.commands = this.#shells;
    namespacesHere.add(this);
  }

  /** Its programs find `environment`, besides what all find. */
  static async create(environment: Environment = {}): Promise<Namespace> {
    const words = ['--pdeathsig', 'KILL', 'unshare', '-mn', '--propagation', 'private', 'sh', '-c', SET_UP];
    const anchor = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(anchor, 'exit').then(() => {
      throw new Error('a network namespace could not be made');
    });
    ended.catch(() => undefined);
    await Promise.race([once(anchor.stdout ?? anchor, 'data'), ended]);
    return new Namespace(anchor, anchor.pid ?? 0, environment);
  }

  /** Runs the words of one line as a command. */
  run(line: string): Promise<string> {
    return this.commands.run(line.split(' '));
  }

  /** Runs a command per line. */
  async runAll(lines: string): Promise<void> {
    for (const line of lines.split('\n').map((text) => text.trim())) if (line !== '') await this.run(line);
  }

  /** What the command prints, or the empty text when it fails. */
  async tries(line: string): Promise<string> {
    return this.run(line).catch(() => '');
  }

  /** Asks one question from inside (programs/asker.ts). */
  async ask(question: string): Promise<Answer> {
    this.#asker ??= new Asker(this.enter);
    const asker = this.#asker;
    const again = async () => JSON.stringify(await asker.ask(question));
    const told = (outcome?: string) => ({ text: question, outcome, again });
    this.#lastAsked = told();
    const answer = await asker.ask(question);
    this.#lastAsked = told(JSON.stringify(answer));
    return answer;
  }

  get lastAsked(): Question | undefined {
    return this.#lastAsked;
  }

  /** Small files as the namespace sees them: /proc/sys/net shows the namespace of whoever reads it, /proc/sys/kernel all see alike. */
  get files(): SmallFiles {
    const { commands } = this;
    return {
      read: (path) =>
        path.startsWith('/proc/sys/kernel/')
          ? readFile(path, 'utf8')
          : commands.run(['cat', path]).catch(() => undefined),
      write: async (path, text) => {
        await commands.run(['sh', '-c', 'printf %s "$1" > "$2"', 'sh', text.trim(), path]);
      },
    };
  }

  /** Connects two namespaces by a veth pair; each end gets its addresses and is brought up. */
  async link(name: string, addresses: readonly string[], peer: Namespace, peerName: string, theirs: readonly string[]) {
    await this.run(`ip link add ${name} type veth peer name ${peerName} netns ${peer.pid}`);
    await end(this, name, addresses);
    await end(peer, peerName, theirs);
  }

  /** Takes the namespace away; whatever still runs in it keeps it alive, so stop that first. */
  async dispose(): Promise<void> {
    namespacesHere.delete(this);
    this.#asker?.stop();
    this.#shells.dispose();
    if (this.#anchor.exitCode !== null) return;
    if (this.#held !== undefined) letNamespace(this.#held);
    const gone = once(this.#anchor, 'exit');
    this.#anchor.kill('SIGKILL');
    await gone;
  }
}

async function end(namespace: Namespace, name: string, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const nodad = address.includes(':') ? ' nodad' : '';
    await namespace.run(`ip address add ${address} dev ${name}${nodad}`);
  }
  await namespace.run(`ip link set ${name} up`);
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DnsServers } from './dns-servers.ts';
import { Namespace } from './namespace.ts';

export const OFFICE = '192.168.50.2';
export const SECOND_OFFICE = '192.168.50.3';
export const CLUSTER = '10.96.0.10';
export const DEVICE = 'sp-one';
/** How long a laptop on a busy machine may take to notice something, in milliseconds. */
export const SOON = { timeout: 15_000 } as const;
export const API = 'api.team-a.svc.cluster.local';
/** What each server answers to every name. */
export const ANSWERS = { [OFFICE]: '192.0.2.1', [SECOND_OFFICE]: '192.0.2.2', [CLUSTER]: '10.96.0.1' } as const;

export const NAMES = {
  servers: [CLUSTER],
  zones: ['cluster.local', '96.10.in-addr.arpa'],
  search: ['team-a.svc.cluster.local', 'svc.cluster.local'],
  everything: false,
};

/** A laptop with an /etc of its own, an office network, and a tunnel, both of which end in another namespace with DNS servers. */
export class NamesLaptop {
  readonly namespace: Namespace;
  readonly #world: Namespace;
  readonly #servers: DnsServers;

  private constructor(namespace: Namespace, world: Namespace, servers: DnsServers) {
    this.namespace = namespace;
    this.#world = world;
    this.#servers = servers;
  }

  static async create(): Promise<NamesLaptop> {
    const namespace = await Namespace.create();
    const world = await Namespace.create();
    await namespace.link('eth0', ['192.168.50.1/24'], world, 'eth0', [`${OFFICE}/24`, `${SECOND_OFFICE}/24`]);
    await namespace.link(DEVICE, ['10.213.0.17/32'], world, 'wg0', [`${CLUSTER}/32`]);
    await namespace.runAll(`
      ip route add 10.96.0.0/16 dev ${DEVICE}
      mkdir -p /run/.etc/upper /run/.etc/work
      mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work /etc
      rm -f /etc/resolv.conf
    `);
    await world.run('ip route add 10.213.0.17/32 dev wg0');
    return new NamesLaptop(namespace, world, await DnsServers.start(world, ANSWERS));
  }

  /** Writes a file of the laptop. */
  async write(path: string, text: string): Promise<void> {
    await this.namespace.commands.run(['sh', '-c', 'printf %s "$1" > "$2"', 'sh', text, path]);
  }

  read(path: string): Promise<string> {
    return this.namespace.commands.run(['cat', path]);
  }

  /** The address that the C library finds for a name; empty for none. */
  async lookUp(name: string): Promise<string> {
    const found = await this.namespace.tries(`getent ahostsv4 ${name}`);
    return found.split(/\s/)[0] ?? '';
  }

  /** The names that each server was asked since the last call, without repetitions. */
  asked(): Promise<Readonly<Record<string, readonly string[]>>> {
    return this.#servers.asked();
  }

  /** A supervisor that has its names open. */
  async open(changed: Partial<typeof NAMES> = {}, profile = 'one'): Promise<Supervisor> {
    const argument = JSON.stringify({ profile, device: DEVICE, names: { ...NAMES, ...changed } });
    const words = ['-t', String(this.namespace.pid), '-m', '-n', '--', 'setpriv', '--pdeathsig', 'KILL', '--'];
    const child = spawn('nsenter', [...words, process.execPath, program('names.ts'), argument], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    const waiting = new Set<() => void>();
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      for (const wake of waiting) wake();
    });
    let stderr = '';
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    const ended = once(child, 'exit');
    const heard = async (pattern: RegExp): Promise<string> => {
      for (;;) {
        const found = lines.findIndex((line) => pattern.test(line));
        if (found >= 0) return lines.splice(found, 1)[0] ?? '';
        const more = Promise.withResolvers<void>();
        waiting.add(more.resolve);
        const gone = ended.then(() => Promise.reject(new Error(`the supervisor ended: ${stderr}`)));
        gone.catch(() => undefined);
        await Promise.race([more.promise, gone]);
        waiting.delete(more.resolve);
      }
    };
    const { open } = JSON.parse(await heard(/^\{"open"/));
    const end = async (signal: NodeJS.Signals) => {
      child.kill(signal);
      await ended;
      if (signal === 'SIGTERM' && stderr !== '') throw new Error(stderr);
    };
    const update = async () => {
      child.kill('SIGUSR2');
      await heard(/"updated"/);
    };
    return { ...open, heard, update, close: () => end('SIGTERM'), kill: () => end('SIGKILL') };
  }

  /** What the next `up` or `down` does first; gives what it says. */
  async repair(): Promise<readonly string[]> {
    const text = await this.namespace.commands.run([process.execPath, program('repair-names.ts')]);
    return JSON.parse(text);
  }

  async dispose(): Promise<void> {
    await this.#servers.stop();
    await this.#world.dispose();
    await this.namespace.dispose();
  }
}

/** A process that holds names. */
export interface Supervisor {
  readonly backend: string;
  readonly address: string | undefined;
  /** Waits for a line that it says. */
  heard(pattern: RegExp): Promise<string>;
  /** Has it ask the cluster for `later.example` too. */
  update(): Promise<void>;
  close(): Promise<void>;
  /** Ends it as kill -9 does. */
  kill(): Promise<void>;
}

/** Whether a command of the laptop ends well; undefined for no, as `poll` wants it. */
export async function isFine(laptop: NamesLaptop, line: string): Promise<true | undefined> {
  return laptop.namespace.run(line).then(
    () => true,
    () => undefined,
  );
}

function program(name: string): string {
  return join(import.meta.dirname, 'programs', name);
}

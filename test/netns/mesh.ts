import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import { diff, type Operation } from '../../src/dataplane/operation.ts';
import type { Commands, Running } from '../../src/host/exec.ts';
import { createLinuxHost, type LinuxHost } from '../../src/host/linux.ts';
import { keyFileName } from '../../src/net/key.ts';
import { type KeyPair, keyPairFrom } from '../../src/net/key-pair.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { type Environment, Namespace } from './namespace.ts';
import { wireguardGo } from './support-usermode.ts';

const PRESHARED_KEYS = 'preshared-keys';
const KEYS = 'keys';
const PROGRAMS = join(import.meta.dirname, 'programs');

/** A fresh random key pair. */
export function newKeys(): KeyPair {
  return keyPairFrom(randomBytes(32));
}

/** The same plan for an interface that wireguard-go serves even where the kernel could. */
export function onWireguardGo(plan: NodePlan): NodePlan {
  return { ...plan, device: { ...plan.device, dataplane: 'Userspace' } };
}

/** A node as a LinuxHost sees it, in a namespace of its own. */
export class TestNode {
  readonly namespace: Namespace;
  readonly keys: KeyPair;
  readonly folder: string;
  /** Every command that the host has run to its end. */
  readonly commandsRun: string[];
  #host: LinuxHost;
  readonly #orphaned: LinuxHost[] = [];

  private constructor(namespace: Namespace, keys: KeyPair, folder: string, host: LinuxHost, commandsRun: string[]) {
    this.commandsRun = commandsRun;
    this.namespace = namespace;
    this.keys = keys;
    this.folder = folder;
    this.#host = host;
  }

  static async create(environment: Environment = {}): Promise<TestNode> {
    const namespace = await Namespace.create(environment);
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-node-'));
    const keys = newKeys();
    await mkdir(join(folder, PRESHARED_KEYS));
    await mkdir(join(folder, KEYS));
    await bringKey(folder, keys);
    const commandsRun: string[] = [];
    return new TestNode(namespace, keys, folder, await linuxHost(namespace, folder, commandsRun), commandsRun);
  }

  get host(): LinuxHost {
    return this.#host;
  }

  /** Another host object on the same kernel, as after a restart of the agent. wireguard-go ends with the first or outlives it. */
  async restartHost(wireguardGo: 'end' | 'orphan'): Promise<void> {
    if (wireguardGo === 'end') await this.#host.close();
    else this.#orphaned.push(this.#host);
    this.#host = await linuxHost(this.namespace, this.folder, this.commandsRun);
  }

  /** Resolves once the wireguard-go of the first interface runs no more: one that has lost it ends, which takes it a moment. */
  async withoutWireguardGo(): Promise<void> {
    // Of another interface one may go on. The dots stand for spaces.
    const count = `pgrep --ns ${this.namespace.pid} --nslist net -c -f wireguard-go.-f.${PLAN_NAMES.device}$`;
    while ((await this.namespace.tries(count)).trim() > '0') await delay(20);
  }

  /** Puts another private key where the node finds the gateway's. */
  bringKey(keys: KeyPair): Promise<void> {
    return bringKey(this.folder, keys);
  }

  /** Puts the preshared key of a version where the node finds them, or takes it away. */
  async bringPresharedKey(version: string, key: string | undefined): Promise<void> {
    const file = join(this.folder, PRESHARED_KEYS, version);
    await (key === undefined ? rm(file) : writeFile(file, `${key}\n`, { mode: 0o600 }));
  }

  /** Brings the node to the plan; says which steps that took. */
  async sync(plan: NodePlan): Promise<readonly Operation[]> {
    const { state } = await this.#host.observe(PLAN_NAMES);
    const steps = diff(plan, state);
    for (const step of steps) await this.#host.apply(step);
    return steps;
  }

  async dispose(): Promise<void> {
    for (const host of [...this.#orphaned, this.#host]) await host.close();
    await this.namespace.dispose();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts a program of ours in the namespace and waits for its first line; further lines go to `onLine`. */
export async function startProgram(
  commands: Commands,
  line: string,
  onLine: (line: string) => void = () => undefined,
): Promise<Running> {
  const [program = '', ...args] = line.split(' ');
  const started = Promise.withResolvers<void>();
  const running = commands.start([process.execPath, join(PROGRAMS, program), ...args], (text) => {
    started.resolve();
    onLine(text);
  });
  void running.exited.then(({ stderr }) => started.reject(new Error(`${line} ended: ${stderr}`)));
  await started.promise;
  return running;
}

function bringKey(folder: string, { publicKey, privateKey }: KeyPair): Promise<void> {
  return writeFile(join(folder, KEYS, keyFileName(publicKey)), `${privateKey}\n`, { mode: 0o600 });
}

async function linuxHost({ commands, files }: Namespace, folder: string, commandsRun: string[]): Promise<LinuxHost> {
  const recorded: Commands = {
    start: commands.start,
    run(argv, options) {
      commandsRun.push(argv.join(' '));
      return commands.run(argv, options);
    },
  };
  return createLinuxHost({
    node: 'node-a',
    privateKeysFolder: join(folder, KEYS),
    presharedKeysFolder: join(folder, PRESHARED_KEYS),
    procSys: '/proc/sys/net',
    wireguardGo: await wireguardGo(),
    runDir: folder,
    commands: recorded,
    files,
    askProxyMode: async () => undefined,
    peersEveryMs: 200,
  });
}

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { UNDERLAY_PREFIX } from './addresses.ts';
import { type Component, ComponentEnded, stopCommand } from './component.ts';
import { ExecError, type ExecOptions, type ExecResult } from './exec.ts';
import { GO_ENVIRONMENT } from './go-environment.ts';
import { userModeLinux } from './linux-build.ts';
import { lastLines } from './log.ts';
import type { KubeProxyMode, LabNode } from './node.ts';
import { type NodeMachine, NodePrograms } from './node-programs.ts';
import type { NodeSurroundings } from './node-surroundings.ts';
import { poll } from './progress.ts';
import { isAlive, type ProcessId } from './record.ts';
import { runRemotely } from './remote-shell.ts';
import {
  commandSocket,
  insidePath,
  killNamespace,
  memberDisk,
  memberFolder,
  memberLogs,
  openGuest,
} from './sandbox.ts';
import { firstScript, guestCommand, quoted } from './uml.ts';

/** MiB; the machine gives what the guest touches, about a third of it. */
const MEMORY = 3072;

/**
 * A node with a kernel of its own: User-Mode Linux, a guest that is a program of this machine, with in-kernel WireGuard.
 * Its disk is a file with ext4. A power failure takes from it what was not written yet, as from any machine.
 *
 * Commands reach it over a network line that nothing else uses, to a server that runs them (remote-shell-server.ts), and
 * not over a console: a line carries many commands at once, binary data and the end of a connection. It ends in a network
 * namespace of its own, so it works whatever happens to the node's network, and does not show there.
 */
export class KernelNode implements LabNode {
  readonly name: string;
  readonly kernel = 'own';
  readonly address: string;
  readonly podCidr: string;
  readonly logs: string;
  readonly #surroundings: NodeSurroundings;
  readonly #programs: NodePrograms;
  #init: ProcessId | undefined;

  /** `init` is the first process around the guest if that runs already. */
  constructor(surroundings: NodeSurroundings, init?: ProcessId) {
    const { name, site, address, podCidr, lab, tools } = surroundings;
    this.name = name;
    this.address = address;
    this.podCidr = podCidr;
    this.logs = memberLogs(lab.lab, name);
    this.#surroundings = surroundings;
    this.#init = init;
    this.#programs = new NodePrograms(this.#machine(), { tools, site, address, podCidr, cgroupRoot: '/' });
  }

  async start(): Promise<void> {
    const { lab, images, kubeProxyMode, credentials } = this.#surroundings;
    const isNew = !existsSync(insidePath(lab, memberDisk(lab, this.name)));
    await this.#boot();
    await this.#plugIn();
    await this.#programs.start({
      kubeProxyMode: kubeProxyMode(),
      // What its disk holds, it still has.
      images: isNew ? images : async () => [],
      credentials,
    });
    await this.#must(['sync']);
  }

  async kill(): Promise<void> {
    if (this.#init) await killNamespace(this.#init);
    this.#init = undefined;
    this.#surroundings.onInit(undefined);
  }

  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    if (!this.#init) throw new Error(`node ${this.name} is switched off`);
    return runRemotely(this.#socket(), argv, options);
  }

  async loadImage(tar: string): Promise<void> {
    await this.#programs.loadImage(tar);
    // An image that a power failure leaves half written would look as if it were there.
    await this.#must(['sync']);
  }

  setKubeProxyMode(mode: KubeProxyMode): Promise<void> {
    return this.#programs.setKubeProxyMode(mode);
  }

  async #boot(): Promise<void> {
    const { lab, index, onInit } = this.#surroundings;
    const kernel = await userModeLinux();
    const folder = memberFolder(lab.lab, this.name);
    const disk = `${memberDisk(lab, this.name)}/disk`;
    const inside = `${import.meta.dirname}/scripts/guest-inside.sh`;
    const words = ['bash', inside, this.name, String(index), process.execPath];
    const body = `exec ${words.map(quoted).join(' ')}`;
    await mkdir(folder, { recursive: true });
    const script = firstScript({ name: this.name, shares: { '/var/log': this.logs }, body });
    await writeFile(`${folder}/first`, script, { mode: 0o755 });
    const mac = `02:00:00:00:01:${index.toString(16).padStart(2, '0')}`;
    // guest-inside.sh names them eth0 and eth1.
    const tap = (at: number, name: string) => `vec${at}:transport=tap,ifname=${name},gro=1`;
    const links = [`${tap(0, `node${index}`)},mac=${mac}`, tap(1, `commands${index}`)];
    const command = guestCommand({
      kernel,
      memory: MEMORY,
      init: `${folder}/first`,
      folder,
      words: [`ubd0=${disk}`, ...links],
    });
    const init = await openGuest({ parent: lab, name: this.name, index, disk, command });
    this.#init = init;
    onInit(init);
    await poll(`${this.name} answers`, () => this.#answers(init), { timeout: 120_000 });
  }

  async #answers(init: ProcessId): Promise<true | undefined> {
    if (!isAlive(init)) throw new Error(`${this.name} ended. Its console:\n${lastLines(`${this.logs}/console.log`)}`);
    const asked = await this.exec(['true'], { timeout: 5_000 }).catch(() => undefined);
    return asked?.code === 0 ? true : undefined;
  }

  async #plugIn(): Promise<void> {
    const { address, site, routes } = this.#surroundings;
    const own = [`address add ${address}/${UNDERLAY_PREFIX} dev eth0`, 'link set eth0 up'];
    const lines = [...own, `route add default via ${site.controlPlane}`, ...routes];
    await this.#must(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  #socket(): string {
    return commandSocket(this.#surroundings.lab.lab, this.name);
  }

  async #must(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(argv, options);
    if (result.code !== 0) throw new ExecError(argv, result);
    return result.stdout.trim();
  }

  #machine(): NodeMachine {
    const write = ['sh', '-c', 'mkdir -p "$(dirname "$1")" && cat >"$1"', 'write'];
    return {
      name: this.name,
      exec: (argv, options) => this.exec(argv, options),
      write: async (path, content) => {
        const source = typeof content === 'string' ? { input: content } : { inputFile: content.from };
        await this.#must([...write, path], source);
      },
      program: (name, argv) => this.#program(name, argv),
      stop: async (name) => {
        await this.exec(stopCommand(pidFile(name)), { timeout: 30_000 });
      },
    };
  }

  async #program(name: string, argv: readonly string[]): Promise<Component> {
    const { tools, onEnded } = this.#surroundings;
    const env = { PATH: tools.searchPath, ...GO_ENVIRONMENT };
    const launch = ['sh', '-c', LAUNCH, 'launch', pidFile(name), `/var/log/${name}.log`, ...argv];
    const pid = await this.#must(launch, { env });
    const watch = ['tail', `--pid=${pid}`, '-f', '/dev/null'];
    const ended = runRemotely(this.#socket(), watch, { unref: true }).then(
      () => Promise.reject(new ComponentEnded({ name, log: `${this.logs}/${name}.log` }, `on ${this.name}`)),
      (cause) => Promise.reject(new Error(`${name} ended with ${this.name}`, { cause })),
    );
    ended.catch(onEnded);
    return { name, until: (work) => Promise.race([work, ended]) };
  }
}

/** Of a session of its own, so that it outlives the command that starts it. */
const LAUNCH = `pidfile=$1 log=$2; shift 2
setsid "$@" </dev/null >>"$log" 2>&1 &
echo $! >"$pidfile"
echo $!`;

function pidFile(name: string): string {
  return `/run/lab/${name}.pid`;
}

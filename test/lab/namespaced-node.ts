import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createGroup, labGroup, removeGroup } from './cgroups.ts';
import { startComponent, stopComponent } from './component.ts';
import type { ExecOptions, ExecResult } from './exec.ts';
import { ipBatch, plugIn, unplug } from './network.ts';
import type { KubeProxyMode, LabNode } from './node.ts';
import { type NodeMachine, NodePrograms } from './node-programs.ts';
import type { NodeSurroundings } from './node-surroundings.ts';
import type { ProcessId } from './record.ts';
import {
  execInside,
  insidePath,
  killNamespace,
  memberDisk,
  memberLogs,
  memberSandbox,
  openMember,
  type Sandbox,
} from './sandbox.ts';

/** A node made of namespaces of this machine's kernel. */
export class NamespacedNode implements LabNode {
  readonly name: string;
  readonly kernel = 'shared';
  readonly address: string;
  readonly podCidr: string;
  readonly logs: string;
  readonly #surroundings: NodeSurroundings;
  readonly #programs: NodePrograms;
  #sandbox: Sandbox | undefined;

  /** `init` is the node's first process if it runs already. */
  constructor(surroundings: NodeSurroundings, init?: ProcessId) {
    const { name, site, address, podCidr, lab, tools } = surroundings;
    this.name = name;
    this.address = address;
    this.podCidr = podCidr;
    this.logs = memberLogs(lab.lab, name);
    this.#surroundings = surroundings;
    this.#sandbox = init && memberSandbox(lab.lab, init);
    this.#programs = new NodePrograms(this.#machine(), {
      ...{ tools, site, address, podCidr },
      cgroupRoot: `/${this.#cgroup()}`,
    });
  }

  async start(): Promise<void> {
    const { lab, index, address, site, onInit, images, routes, kubeProxyMode, credentials } = this.#surroundings;
    const isNew = !existsSync(insidePath(lab, memberDisk(lab, this.name)));
    const opened = openMember({ parent: lab, name: this.name });
    await createGroup(this.#cgroup());
    const sandbox = await opened;
    this.#sandbox = sandbox;
    onInit(sandbox.init);
    await plugIn({ lab, member: sandbox, port: portOf(index), address, gateway: site.controlPlane });
    await ipBatch(sandbox, routes);
    await this.#programs.start({
      kubeProxyMode: kubeProxyMode(),
      // What its disk holds, it still has.
      images: isNew ? images : async () => [],
      credentials,
    });
  }

  async kill(): Promise<void> {
    if (this.#sandbox) {
      const { lab, index } = this.#surroundings;
      // First, so that nobody hears its connections end. And what it still had to send would keep its network, this cable with it, for minutes.
      await unplug(lab, portOf(index));
      await killNamespace(this.#sandbox.init);
    }
    // No power failure leaves control groups; a kubelet that finds old ones looks at them for seconds each.
    await removeGroup(this.#cgroup());
    this.#sandbox = undefined;
    this.#surroundings.onInit(undefined);
  }

  exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return execInside(this.#running(), argv, options);
  }

  loadImage(tar: string): Promise<void> {
    return this.#programs.loadImage(tar);
  }

  setKubeProxyMode(mode: KubeProxyMode): Promise<void> {
    return this.#programs.setKubeProxyMode(mode);
  }

  #cgroup(): string {
    return `${labGroup(this.#surroundings.lab.lab)}/${this.name}`;
  }

  #running(): Sandbox {
    if (!this.#sandbox) throw new Error(`node ${this.name} is switched off`);
    return this.#sandbox;
  }

  #machine(): NodeMachine {
    const { tools, onEnded, name } = this.#surroundings;
    const logs = this.logs;
    return {
      name,
      exec: (argv, options) => this.exec(argv, options),
      write: async (path, content) => {
        const file = insidePath(this.#running(), path);
        await mkdir(dirname(file), { recursive: true });
        await (typeof content === 'string' ? writeFile(file, content) : copyFile(content.from, file));
      },
      program: (program, argv) =>
        startComponent({
          sandbox: this.#running(),
          name: program,
          argv,
          log: `${logs}/${program}.log`,
          env: { PATH: tools.searchPath },
          onEnded,
        }),
      stop: (program) => stopComponent(this.#running(), program),
    };
  }
}

function portOf(index: number): string {
  return `node${index}`;
}

import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { API_SERVICE_ADDRESS } from './addresses.ts';
import type { Tools } from './binaries.ts';
import { createGroup, labGroup, removeGroup } from './cgroups.ts';
import { type Component, startComponent, stopComponent } from './component.ts';
import { ExecError, type ExecOptions, type ExecResult } from './exec.ts';
import { ipBatch, plugIn } from './network.ts';
import type { KubeProxyMode, LabNode } from './node.ts';
import {
  cniConfiguration,
  containerdToml,
  FILES,
  kubeletConfiguration,
  kubeProxyConfiguration,
} from './node-configuration.ts';
import { poll } from './progress.ts';
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

/** What a node needs from its cluster. */
export interface NodeSurroundings {
  readonly lab: Sandbox;
  readonly tools: Tools;
  readonly name: string;
  readonly index: number;
  readonly address: string;
  readonly podCidr: string;
  /** Image archives that every node has from the beginning. */
  readonly images: () => Promise<readonly string[]>;
  /** Lines of `ip` that lead to the other nodes' pods. */
  readonly routes: readonly string[];
  readonly gateway: string;
  readonly kubeProxyMode: () => KubeProxyMode;
  /** Resolves once the API server answers: kubeconfigs and the authority's certificate, as files of the machine. */
  readonly credentials: () => Promise<NodeCredentials>;
  /** Is told the node's first process when it changes. */
  readonly onInit: (init: ProcessId | undefined) => void;
  /** Is told when one of the node's programs ends by itself. */
  readonly onEnded: (error: Error) => void;
}

/** Files of the machine that let a node speak to the API server. */
export interface NodeCredentials {
  readonly authority: string;
  readonly kubelet: string;
  readonly kubeProxy: string;
}

/** A node made of namespaces of this machine's kernel. */
export class NamespacedNode implements LabNode {
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
  readonly logs: string;
  readonly #surroundings: NodeSurroundings;
  #sandbox: Sandbox | undefined;

  /** `init` is the node's first process if it runs already. */
  constructor(surroundings: NodeSurroundings, init?: ProcessId) {
    this.name = surroundings.name;
    this.address = surroundings.address;
    this.podCidr = surroundings.podCidr;
    this.logs = memberLogs(surroundings.lab.lab, surroundings.name);
    this.#surroundings = surroundings;
    this.#sandbox = init && memberSandbox(surroundings.lab.lab, init);
  }

  async start(): Promise<void> {
    const { lab, index, address, gateway, onInit, images, routes, kubeProxyMode } = this.#surroundings;
    const isNew = !existsSync(insidePath(lab, memberDisk(lab, this.name)));
    const opened = openMember({ parent: lab, name: this.name });
    await createGroup(this.#cgroup());
    const sandbox = await opened;
    this.#sandbox = sandbox;
    onInit(sandbox.init);
    await plugIn({ lab, member: sandbox, port: `node${index}`, address, gateway });
    await ipBatch(sandbox, routes);
    // Not through /proc/PID/root: whose network a file below /proc/sys/net means depends on who opens it.
    await this.#must(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    await this.#writeConfiguration();
    const containerd = await this.#program('containerd', ['--config', FILES.containerd]);
    await containerd.until(this.#containerdListens());
    const [credentials] = await Promise.all([
      this.#surroundings.credentials(),
      // What its disk holds, it still has.
      ...(isNew ? await images() : []).map((tar) => containerd.until(this.loadImage(tar))),
    ]);
    await this.#joinCluster(credentials);
    await this.#startKubeProxy(kubeProxyMode());
  }

  async kill(): Promise<void> {
    if (this.#sandbox) await killNamespace(this.#sandbox.init);
    // No power failure leaves control groups; a kubelet that finds old ones looks at them for seconds each.
    await removeGroup(this.#cgroup());
    this.#sandbox = undefined;
    this.#surroundings.onInit(undefined);
  }

  exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return execInside(this.#running(), argv, options);
  }

  async loadImage(tar: string): Promise<void> {
    const argv = [this.#surroundings.tools.path('ctr'), '-n', 'k8s.io', 'images', 'import', '--local', '-'];
    // Opened here: the node's own folders may hide the archive's path.
    const result = await this.exec(argv, { inputFile: tar });
    if (result.code !== 0) throw new ExecError(['load image', tar, 'on', this.name], result);
  }

  async setKubeProxyMode(mode: KubeProxyMode): Promise<void> {
    await stopComponent(this.#running(), 'kube-proxy');
    await this.#must([this.#surroundings.tools.path('kube-proxy'), '--cleanup', `--config=${FILES.kubeProxy}`]);
    await this.#startKubeProxy(mode);
  }

  async #must(argv: readonly string[]): Promise<void> {
    const result = await this.exec(argv);
    if (result.code !== 0) throw new ExecError(argv, result);
  }

  #cgroup(): string {
    return `${labGroup(this.#surroundings.lab.lab)}/${this.name}`;
  }

  #running(): Sandbox {
    if (!this.#sandbox) throw new Error(`node ${this.name} is switched off`);
    return this.#sandbox;
  }

  #program(name: string, args: readonly string[]): Promise<Component> {
    const { tools, onEnded } = this.#surroundings;
    const argv = [tools.path(name), ...args];
    return startComponent({
      sandbox: this.#running(),
      name,
      argv,
      log: `${this.logs}/${name}.log`,
      env: { PATH: tools.searchPath },
      onEnded,
    });
  }

  async #writeConfiguration(): Promise<void> {
    const { tools } = this.#surroundings;
    const files: readonly (readonly [string, string | object])[] = [
      [FILES.containerd, containerdToml({ runc: tools.path('runc'), cni: tools.folder('cni') })],
      [FILES.kubelet, kubeletConfiguration(`/${this.#cgroup()}`)],
      [FILES.cni, cniConfiguration(this.podCidr)],
    ];
    await mkdir(this.#inside('/etc/lab'), { recursive: true });
    for (const [path, content] of files) await this.#write(path, content);
  }

  async #containerdListens(): Promise<void> {
    const socket = this.#inside('/run/containerd/containerd.sock');
    await poll(`containerd of ${this.name} listens`, async () => (existsSync(socket) ? true : undefined), {
      interval: 50,
    });
  }

  async #joinCluster(credentials: NodeCredentials): Promise<void> {
    await copyFile(credentials.authority, this.#inside(FILES.authority));
    await copyFile(credentials.kubelet, this.#inside(FILES.kubeletKubeconfig));
    await copyFile(credentials.kubeProxy, this.#inside(FILES.kubeProxyKubeconfig));
    await this.#program('kubelet', [
      `--config=${FILES.kubelet}`,
      `--kubeconfig=${FILES.kubeletKubeconfig}`,
      `--hostname-override=${this.name}`,
      `--node-ip=${this.address}`,
    ]);
  }

  async #startKubeProxy(mode: KubeProxyMode): Promise<void> {
    await this.#write(FILES.kubeProxy, kubeProxyConfiguration(mode, this.podCidr));
    const args = [`--config=${FILES.kubeProxy}`, `--hostname-override=${this.name}`];
    const kubeProxy = await this.#program('kube-proxy', args);
    await kubeProxy.until(this.#servicesLeadSomewhere(mode));
  }

  /** Its health says "fine" before the first rule is in place, so the rules themselves are asked. */
  async #servicesLeadSomewhere(mode: KubeProxyMode): Promise<void> {
    const rules = {
      nftables: ['nft', 'list', 'map', 'ip', 'kube-proxy', 'service-ips'],
      iptables: ['iptables', '-t', 'nat', '-S', 'KUBE-SERVICES'],
    }[mode];
    const ask = async () => ((await this.exec(rules)).stdout.includes(API_SERVICE_ADDRESS) ? true : undefined);
    await poll(`kube-proxy's rules on ${this.name}`, ask, { timeout: 120_000 });
  }

  #inside(path: string): string {
    return insidePath(this.#running(), path);
  }

  async #write(path: string, content: string | object): Promise<void> {
    await writeFile(this.#inside(path), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }
}

import type { Site } from './addresses.ts';
import type { Tools } from './binaries.ts';
import type { Component } from './component.ts';
import { ExecError, type ExecOptions, type ExecResult } from './exec.ts';
import type { KubeProxyMode } from './node.ts';
import {
  cniConfiguration,
  containerdToml,
  FILES,
  kubeletConfiguration,
  kubeProxyConfiguration,
} from './node-configuration.ts';
import { poll } from './progress.ts';

/** A Linux machine that shall become a node. */
export interface NodeMachine {
  readonly name: string;
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Writes a file, and the folders above it; a file of this machine's when `from` is named. */
  write(path: string, content: string | { readonly from: string }): Promise<void>;
  /** Starts a program that runs until it is stopped or the power fails. */
  program(name: string, argv: readonly string[]): Promise<Component>;
  /** Ends a program; one that does not run is no error. */
  stop(name: string): Promise<void>;
}

/** Files of the machine that let a node speak to the API server. */
export interface NodeCredentials {
  readonly authority: string;
  readonly kubelet: string;
  readonly kubeProxy: string;
}

/** What makes a machine that node of the cluster. */
export interface NodeIdentity {
  readonly tools: Tools;
  readonly site: Site;
  readonly address: string;
  readonly podCidr: string;
  /** The control group its pods live below. */
  readonly cgroupRoot: string;
}

/** How a node is started. */
export interface NodeStart {
  readonly kubeProxyMode: KubeProxyMode;
  /** Resolves with image archives to load: none where the disk holds them. */
  readonly images: () => Promise<readonly string[]>;
  /** Resolves once the API server answers. */
  readonly credentials: () => Promise<NodeCredentials>;
}

/** The programs that make a machine a node, the same on every kind of machine: containerd, kubelet, kube-proxy. */
export class NodePrograms {
  readonly #machine: NodeMachine;
  readonly #identity: NodeIdentity;

  constructor(machine: NodeMachine, identity: NodeIdentity) {
    this.#machine = machine;
    this.#identity = identity;
  }

  /** Starts them all; resolves when ClusterIPs lead somewhere. */
  async start({ kubeProxyMode, images, credentials }: NodeStart): Promise<void> {
    const { tools, address } = this.#identity;
    const machine = this.#machine;
    // Not through /proc/PID/root: whose network a file below /proc/sys/net means depends on who opens it.
    await this.#must(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    await this.#writeConfiguration();
    const containerd = await machine.program('containerd', [tools.path('containerd'), '--config', FILES.containerd]);
    await containerd.until(this.#containerdListens());
    const [joining] = await Promise.all([
      credentials(),
      images().then((all) => Promise.all(all.map((tar) => containerd.until(this.loadImage(tar))))),
    ]);
    await this.#writeCredentials(joining);
    await machine.program('kubelet', [
      tools.path('kubelet'),
      `--config=${FILES.kubelet}`,
      `--kubeconfig=${FILES.kubeletKubeconfig}`,
      `--hostname-override=${machine.name}`,
      `--node-ip=${address}`,
    ]);
    await this.#startKubeProxy(kubeProxyMode);
  }

  /** Makes the images of an archive of this machine available to the node's pods. */
  async loadImage(tar: string): Promise<void> {
    const argv = [this.#identity.tools.path('ctr'), '-n', 'k8s.io', 'images', 'import', '--local', '-'];
    // Opened here: the node's own folders may hide the archive's path.
    const result = await this.#machine.exec(argv, { inputFile: tar });
    if (result.code !== 0) throw new ExecError(['load image', tar, 'on', this.#machine.name], result);
  }

  /** Restarts kube-proxy in a mode, with nothing left of the former's rules, and waits for the new ones. */
  async setKubeProxyMode(mode: KubeProxyMode): Promise<void> {
    await this.#requireMode(mode);
    await this.#machine.stop('kube-proxy');
    await this.#must([this.#identity.tools.path('kube-proxy'), '--cleanup', `--config=${FILES.kubeProxy}`]);
    await this.#startKubeProxy(mode);
  }

  async #must(argv: readonly string[]): Promise<void> {
    const result = await this.#machine.exec(argv);
    if (result.code !== 0) throw new ExecError(argv, result);
  }

  async #writeConfiguration(): Promise<void> {
    const { tools, site, cgroupRoot, podCidr } = this.#identity;
    const files: readonly (readonly [string, string | object])[] = [
      [FILES.containerd, containerdToml({ runc: tools.path('runc'), cni: tools.folder('cni') })],
      [FILES.kubelet, kubeletConfiguration(cgroupRoot, site)],
      [FILES.cni, cniConfiguration(podCidr)],
    ];
    for (const [path, content] of files) {
      await this.#machine.write(path, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
    }
  }

  async #writeCredentials({ authority, kubelet, kubeProxy }: NodeCredentials): Promise<void> {
    await this.#machine.write(FILES.authority, { from: authority });
    await this.#machine.write(FILES.kubeletKubeconfig, { from: kubelet });
    await this.#machine.write(FILES.kubeProxyKubeconfig, { from: kubeProxy });
  }

  async #containerdListens(): Promise<void> {
    const test = ['test', '-S', '/run/containerd/containerd.sock'];
    const ask = async () => ((await this.#machine.exec(test)).code === 0 ? true : undefined);
    await poll(`containerd of ${this.#machine.name} listens`, ask, { interval: 50 });
  }

  async #startKubeProxy(mode: KubeProxyMode): Promise<void> {
    const { tools, podCidr } = this.#identity;
    await this.#requireMode(mode);
    const configuration = JSON.stringify(kubeProxyConfiguration(mode, podCidr), null, 2);
    await this.#machine.write(FILES.kubeProxy, configuration);
    const args = [`--config=${FILES.kubeProxy}`, `--hostname-override=${this.#machine.name}`];
    const kubeProxy = await this.#machine.program('kube-proxy', [tools.path('kube-proxy'), ...args]);
    await kubeProxy.until(this.#servicesLeadSomewhere(mode));
  }

  /** Kubernetes calls ipvs; the kernel of many a small machine does not have it. */
  async #requireMode(mode: KubeProxyMode): Promise<void> {
    if (mode !== 'ipvs' || (await this.#machine.exec(['test', '-e', '/proc/net/ip_vs'])).code === 0) return;
    throw new Error(
      `the kernel of ${this.#machine.name} has no ip_vs, so kube-proxy cannot run in ipvs mode there; use a node with a kernel of its own`,
    );
  }

  /** Its health says "fine" before the first rule is in place, so the rules themselves are asked, and whether it is through with all. */
  async #servicesLeadSomewhere(mode: KubeProxyMode): Promise<void> {
    const [argv, sign] = rulesOf(this.#identity.site)[mode];
    const ask = async () => {
      if (!(await this.#machine.exec(argv)).stdout.includes(sign)) return undefined;
      return SYNCED.test((await this.#machine.exec(PROXY_METRICS)).stdout) ? true : undefined;
    };
    await poll(`kube-proxy's rules on ${this.#machine.name}`, ask, { timeout: 120_000 });
  }
}

const PROXY_METRICS = ['curl', '-s', '--max-time', '5', 'http://127.0.0.1:10249/metrics'];
/** In ipvs mode Services come one after the other, which takes a guest seconds; this is told once all have. */
const SYNCED = /^kubeproxy_sync_proxy_rules_last_timestamp_seconds(\{[^}]*IPv4[^}]*\})? [1-9]/m;

/** In each mode, a command that prints what leads ClusterIPs to pods, and how it writes that of the API server. */
function rulesOf({
  apiService,
}: Site): Readonly<Record<KubeProxyMode, readonly [argv: readonly string[], sign: string]>> {
  return {
    nftables: [['nft', 'list', 'map', 'ip', 'kube-proxy', 'service-ips'], apiService],
    iptables: [['iptables', '-t', 'nat', '-S', 'KUBE-SERVICES'], apiService],
    ipvs: [['cat', '/proc/net/ip_vs'], `TCP  ${hexadecimal(apiService)}:`],
  };
}

function hexadecimal(address: string): string {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return bytes.join('').toUpperCase();
}

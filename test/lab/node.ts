import type { ExecOptions, ExecResult } from './exec.ts';

/** How kube-proxy brings a Service's address to its pods. */
export const KUBE_PROXY_MODES = ['nftables', 'iptables', 'ipvs'] as const;
export type KubeProxyMode = (typeof KUBE_PROXY_MODES)[number];

/** Whose kernel a node runs on: this machine's, in namespaces, or its own, in User-Mode Linux with in-kernel WireGuard. */
export type NodeKernel = 'shared' | 'own';

/** One node of the lab's cluster, whatever kind of machine it is. */
export interface LabNode {
  readonly name: string;
  readonly kernel: NodeKernel;
  /** Its address on the underlay, which is its InternalIP. */
  readonly address: string;
  readonly podCidr: string;
  /** The folder with the logs of kubelet, containerd, kube-proxy and its pods. */
  readonly logs: string;
  /**
   * Switches it on, for the first time or after `kill`. Resolves when its programs run and
   * ClusterIPs lead somewhere; Ready may come later.
   */
  start(): Promise<void>;
  /** Ends it as a power failure does: no process sees it coming. Its disk survives, its kernel state does not. */
  kill(): Promise<void>;
  /** Runs a command on it, outside of any pod, as root. Rejects only if that is impossible. */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Makes the images of an OCI image archive available to its pods. */
  loadImage(tar: string): Promise<void>;
  /**
   * Restarts kube-proxy in this mode, with nothing left of the former mode's rules, and waits for the new ones.
   * @throws Error where the node's kernel lacks what the mode needs: only a kernel of its own is sure to have ip_vs
   */
  setKubeProxyMode(mode: KubeProxyMode): Promise<void>;
}

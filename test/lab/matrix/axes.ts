import type { KubeProxyMode } from '../node.ts';

/** What a node forwards with: its kernel's WireGuard, or wireguard-go. */
export type DataPlane = 'kernel' | 'userspace';

/** One way to install Sallyport: a row of the table. */
export interface Setting {
  readonly proxyMode: KubeProxyMode;
  readonly dataPlane: DataPlane;
  /** How many nodes are gateways. */
  readonly gateways: 1 | 3;
}

const PROXY_MODES: readonly KubeProxyMode[] = ['nftables', 'iptables', 'ipvs'];
const DATA_PLANES: readonly DataPlane[] = ['kernel', 'userspace'];
const GATEWAYS = [1, 3] as const;

/** Every setting, in the order of the table. */
export const SETTINGS: readonly Setting[] = PROXY_MODES.flatMap((proxyMode) =>
  DATA_PLANES.flatMap((dataPlane) => GATEWAYS.map((gateways) => ({ proxyMode, dataPlane, gateways }))),
);

/**
 * The settings in the order in which they are tried, which is to and fro, so that from one to the next one thing alone changes: a
 * program that begins anew on a node with a kernel of its own takes it many seconds.
 */
export const TOUR: readonly Setting[] = PROXY_MODES.flatMap((proxyMode, at) => {
  const there = DATA_PLANES.flatMap((dataPlane, side) =>
    (side === 0 ? GATEWAYS : GATEWAYS.toReversed()).map((gateways) => ({ proxyMode, dataPlane, gateways })),
  );
  return at % 2 === 0 ? there : there.toReversed();
});

/** Whether the node that the laptop dials must have a kernel of its own: only that is sure to have WireGuard, and ip_vs. */
export function needsOwnKernel({ proxyMode, dataPlane }: Pick<Setting, 'proxyMode' | 'dataPlane'>): boolean {
  return proxyMode === 'ipvs' || dataPlane === 'kernel';
}

/** Where the pod runs that a laptop reaches through the gateway: the columns of the table. */
export const BACKENDS = {
  same: 'a pod on the gateway node',
  other: 'a pod on another node',
  'host network': 'pods in the network of the gateway node and of another node',
  headless: 'pods of a headless Service, through an advertised pod CIDR',
} as const;
export type Backend = keyof typeof BACKENDS;

/** What a cell says once everything was tried: each of these got through. */
export const TRAFFIC = ['TCP', 'UDP', '10 MB'] as const;
export type Traffic = (typeof TRAFFIC)[number];

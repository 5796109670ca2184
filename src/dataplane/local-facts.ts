/** How the Services of a cluster are proxied on a node. */
export type ProxyMode = 'nftables' | 'iptables' | 'ipvs' | 'unknown';

/** All that may differ between the nodes of one gateway; nodes with equal facts get equal plans. */
export interface LocalFacts {
  readonly node: string;
  /** MTU of the device that carries the encrypted packets. */
  readonly underlayMtu: number;
  readonly proxyMode: ProxyMode;
  /** Whether the gateway's interface can have IPv6 addresses: the kernel knows IPv6, and nobody has turned it off. */
  readonly ipv6: boolean;
  /** Changes with every boot of the node. */
  readonly bootId?: string | undefined;
}

/** What is known of a node's links and default routes, the best route first. */
export interface Underlay {
  readonly defaultRoutes: readonly { readonly device: string; readonly mtu?: number | undefined }[];
  readonly links: readonly { readonly name: string; readonly mtu: number; readonly virtual: boolean }[];
}

const ETHERNET_MTU = 1500;

/** MTU of the way out: of the best default route, else the largest of a real link, else Ethernet's. */
export function underlayMtu({ defaultRoutes, links }: Underlay): number {
  const mtus = new Map(links.map((link) => [link.name, link.mtu]));
  for (const route of defaultRoutes) {
    const mtu = mtus.get(route.device);
    if (mtu !== undefined) return Math.min(mtu, route.mtu ?? mtu);
  }
  const real = links.filter((link) => !link.virtual).map((link) => link.mtu);
  return real.length === 0 ? ETHERNET_MTU : Math.max(...real);
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';

/** A port of a Service and the one endpoint behind it. */
export interface ServicePort {
  readonly clusterIp: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly endpoint: string;
  readonly targetPort: number;
}

/**
 * What kube-proxy leaves in the kernel, as far as packets notice (pkg/proxy/nftables, pkg/proxy/iptables of Kubernetes 1.36): its
 * chains, priorities and verdicts, with one endpoint per Service and without load balancing. It masquerades only in nftables
 * mode; without a cluster CIDR the iptables mode does not.
 */
export async function standInForKubeProxy(
  namespace: Namespace,
  folder: string,
  mode: 'nftables' | 'iptables',
  services: readonly ServicePort[],
): Promise<void> {
  const file = join(folder, 'kube-proxy.nft');
  const render = mode === 'nftables' ? nftablesMode : iptablesMode;
  const families = [
    services.filter(({ clusterIp }) => !isV6(clusterIp)),
    services.filter(({ clusterIp }) => isV6(clusterIp)),
  ];
  await writeFile(
    file,
    families.map((some, index) => (some.length === 0 ? '' : render(index === 0 ? 'ip' : 'ip6', some))).join(''),
  );
  await namespace.run(`nft -f ${file}`);
}

function nftablesMode(ip: 'ip' | 'ip6', services: readonly ServicePort[]): string {
  const clusterIps = [...new Set(services.map(({ clusterIp }) => clusterIp))].join(', ');
  const all = ip === 'ip' ? '10.96.0.0/12' : 'fd5a:96::/112';
  return `table ${ip} kube-proxy {
  chain services {
${services.map((service) => `    ${dnat(ip, service, 'meta mark set mark or 0x4000 ')}`).join('\n')}
  }
  chain cluster-ips-check {
    ${ip} daddr { ${clusterIps} } reject
    ${ip} daddr { ${all} } drop
  }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services
  }
  chain nat-output { type nat hook output priority -100; jump services
  }
  chain nat-postrouting { type nat hook postrouting priority srcnat; meta mark & 0x4000 != 0 masquerade fully-random
  }
  chain filter-forward { type filter hook forward priority filter; ct state new jump cluster-ips-check
  }
}
`;
}

function iptablesMode(ip: 'ip' | 'ip6', services: readonly ServicePort[]): string {
  return `table ${ip} nat {
  chain KUBE-SERVICES {
${services.map((service) => `    ${dnat(ip, service, '')}`).join('\n')}
  }
  chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; counter jump KUBE-SERVICES
  }
  chain OUTPUT { type nat hook output priority -100; policy accept; counter jump KUBE-SERVICES
  }
  chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; meta mark & 0x4000 == 0x4000 masquerade
  }
}
table ${ip} filter {
  chain FORWARD { type filter hook forward priority filter; policy accept; ct state invalid drop; meta mark & 0x4000 == 0x4000 accept; ct state related,established accept
  }
}
`;
}

function dnat(ip: 'ip' | 'ip6', service: ServicePort, before: string): string {
  const target = isV6(service.endpoint) ? `[${service.endpoint}]` : service.endpoint;
  const { clusterIp, protocol, port, targetPort } = service;
  return `${ip} daddr ${clusterIp} ${protocol} dport ${port} ${before}dnat to ${target}:${targetPort}`;
}

function isV6(address: string): boolean {
  return address.includes(':');
}

import type { ConfigMap, ServiceCIDR } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { type Cidr, cidrsIn, compareCidrs } from '../net/cidr.ts';

/** A service CIDR and the sentence's worth of where it was found. */
export interface FoundServiceCidr {
  readonly cidr: Cidr;
  readonly source: string;
}

/** What may tell the service CIDRs, as far as this cluster has it. */
export interface ServiceCidrSources {
  readonly serviceCidrs: readonly ServiceCIDR[];
  readonly kubeadmConfig?: ConfigMap | undefined;
}

/**
 * The cluster's service CIDRs: what the gateway says, else all ServiceCIDR objects, else the kubeadm configuration; empty when
 * nothing tells. An object that is being deleted still counts, because Services keep its addresses until it is gone.
 */
export function findServiceCidrs(gateway: MeshGateway, sources: ServiceCidrSources): readonly FoundServiceCidr[] {
  const explicit = found(gateway.spec.advertise.services.cidrs, 'spec.advertise.services.cidrs');
  if (explicit.length > 0) return explicit;
  const objects = sources.serviceCidrs.flatMap((object) =>
    found(object.spec.cidrs, `ServiceCIDR ${object.metadata.name}`),
  );
  return objects.length > 0 ? unique(objects) : fromKubeadm(sources.kubeadmConfig);
}

/** In one order, whatever the order of the objects, and each once: two ServiceCIDRs may hold the same range. */
function unique(all: readonly FoundServiceCidr[]): readonly FoundServiceCidr[] {
  const sorted = [...all].sort(
    (one, other) => compareCidrs(one.cidr, other.cidr) || (one.source < other.source ? -1 : 1),
  );
  return sorted.filter(({ cidr }, index) => cidr !== sorted[index - 1]?.cidr);
}

/** `networking.serviceSubnet` of ClusterConfiguration: one line in a YAML document that kubeadm itself wrote. */
function fromKubeadm(config: ConfigMap | undefined): FoundServiceCidr[] {
  const text = config?.data.ClusterConfiguration ?? '';
  const subnets = /^\s+serviceSubnet:\s*["']?([0-9a-fA-F:./,]+)["']?\s*$/m.exec(text)?.[1] ?? '';
  return found(subnets.split(','), 'ConfigMap kube-system/kubeadm-config');
}

function found(texts: readonly string[], source: string): FoundServiceCidr[] {
  return cidrsIn(texts.map((text) => text.trim())).map((cidr) => ({ cidr, source }));
}

import { type ClientConfiguration, EVERYTHING } from '../../mesh/client-configuration.ts';
import { type Cidr, cidrFamily } from '../../net/cidr.ts';
import { type Parsed, parsed, refused } from '../../net/parsed.ts';

/** Why a configuration cannot be used for a full tunnel, with the remedy; undefined when it can. */
export function fullProblem({ gateways, dns }: ClientConfiguration): string | undefined {
  const names = gateways.map(({ name }) => name).join(', ');
  if (gateways.every(({ internet }) => internet.length === 0))
    return `gateway ${names} takes no full tunnel; leave out --full, or have whoever runs the cluster set spec.advertise.internet.enabled of the MeshGateway (and its access: Allow where spec.access.default is Deny), then: sallyport up, so that this device hears of it`;
  if (dns === undefined || dns.servers.length === 0)
    return `gateway ${names} names no DNS server, so a full tunnel would leave this device without names; leave out --full, or have whoever runs the cluster set spec.dns of the MeshGateway`;
  return undefined;
}

/**
 * The configuration by which a program that knows nothing of offers sends everything into the tunnel. Both families always: what the
 * gateway does not carry of one family would otherwise leave the device outside of the tunnel.
 */
export function fullConfiguration(configuration: ClientConfiguration): Parsed<ClientConfiguration> {
  const problem = fullProblem(configuration);
  if (problem !== undefined) return refused(problem);
  const { gateways } = configuration;
  const taken = new Set(gateways.flatMap(({ internet }) => internet));
  const first = gateways.findIndex(({ internet }) => internet.length > 0);
  return parsed({
    ...configuration,
    gateways: gateways.map(({ internet, ...gateway }, at) => {
      const rest = at === first ? EVERYTHING.filter((all) => !taken.has(all)) : [];
      return { ...gateway, internet: [], allowedIPs: [...gateway.allowedIPs, ...inOrder([...internet, ...rest])] };
    }),
  });
}

function inOrder(cidrs: readonly Cidr[]): readonly Cidr[] {
  return [...cidrs].sort((one, other) => cidrFamily(one) - cidrFamily(other));
}

import type { ClientConfiguration, ClientGateway } from '../mesh/client-configuration.ts';

/** What changed between two configurations, in sentences for the person whose tunnel it is; none when nothing did that concerns them. */
export function newsOf(before: ClientConfiguration, after: ClientConfiguration): readonly string[] {
  const known = new Map(before.gateways.map((gateway) => [gateway.name, gateway]));
  const names = new Set(after.gateways.map(({ name }) => name));
  return [
    ...changed('this device has the address', before.addresses, after.addresses),
    ...after.gateways.flatMap((gateway) => gatewayNews(known.get(gateway.name), gateway)),
    ...before.gateways.filter(({ name }) => !names.has(name)).map(({ name }) => `gateway ${name} is gone`),
    ...changed('cluster names are asked of', before.dns?.servers ?? [], after.dns?.servers ?? []),
    ...changed('the domain of the cluster is', [before.dns?.domain ?? 'none'], [after.dns?.domain ?? 'none']),
    ...(before.mtu === after.mtu ? [] : [`the MTU is ${after.mtu ?? 'not known'} now`]),
  ];
}

/** The gateways that this device knew by another key. */
export function withAnotherKey(before: ClientConfiguration, after: ClientConfiguration): readonly ClientGateway[] {
  return after.gateways.filter(({ name, publicKey }) => {
    const known = before.gateways.find((gateway) => gateway.name === name);
    return known !== undefined && known.publicKey !== publicKey;
  });
}

function gatewayNews(before: ClientGateway | undefined, { name, ...after }: ClientGateway): readonly string[] {
  if (before === undefined) return [`gateway ${name} is new: it leads to ${after.allowedIPs.join(', ')}`];
  return [
    ...changed(`gateway ${name} leads to`, before.allowedIPs, after.allowedIPs),
    ...changed(`gateway ${name} takes a full tunnel (sallyport up --full) for`, before.internet, after.internet),
    ...changed(`gateway ${name} is dialled at`, before.endpoints, after.endpoints),
    ...(before.publicKey === after.publicKey ? [] : [`gateway ${name} has another key: ${after.publicKey}`]),
  ];
}

function changed(head: string, before: readonly string[], after: readonly string[]): readonly string[] {
  const same = before.length === after.length && before.every((text, at) => text === after[at]);
  return same ? [] : [`${head} ${after.length === 0 ? 'nothing' : after.join(', ')} now`];
}

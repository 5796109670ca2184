import type { IpAddress } from '../../net/address.ts';
import type { DnsReached, EndpointFinding, Findings, Look } from './findings.ts';

/** What was seen, if anything was. */
export function seen<T>(look: Look<T> | undefined): T | undefined {
  return look?.kind === 'seen' ? look.value : undefined;
}

/** Whether a gateway took a handshake of this device. */
export function anyAnswered(endpoints: readonly EndpointFinding[] | undefined): boolean {
  return endpoints?.some(({ outcome }) => outcome.kind === 'answered') ?? false;
}

/** The addresses that a DNS server told; undefined when it told none. */
export function foundIn(answer: DnsReached | undefined): readonly IpAddress[] | undefined {
  return answer?.kind === 'answered' && answer.rcode === 0 && answer.addresses.length > 0
    ? answer.addresses
    : undefined;
}

/** Whether what a device wants of its gateways works: names and Services answer through the tunnel. */
export function servicesAnswer({ inside }: Findings): boolean {
  if (inside === undefined) return false;
  const named = inside.dns.length === 0 || inside.dns.some(({ answer }) => foundIn(answer) !== undefined);
  return named && inside.kubernetes?.reached.kind === 'connected';
}

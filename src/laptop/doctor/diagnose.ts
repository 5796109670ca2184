import { clock, expiry, key, profile } from './device-hops.ts';
import type { Findings } from './findings.ts';
import { fullTunnel } from './full-hop.ts';
import type { HopKind, Judgement } from './hop.ts';
import { dns, gatewayAddress, kubernetesService, mtu, names, service } from './inside-hops.ts';
import { addresses, conflicts, device, routes, supervisor } from './tunnel-hops.ts';
import { accepted, endpoints, gateway, handshake } from './way-hops.ts';

/** A judged hop. */
export type Hop = { readonly hop: string } & Judgement;

export interface Diagnosis {
  /** The profile's name. */
  readonly profile: string;
  /** In the order of the way from this device to a Service. */
  readonly hops: readonly Hop[];
  /** The first hop that is broken; what is broken after it may be so for its sake. */
  readonly verdict: Extract<Hop, { readonly status: 'broken' }> | undefined;
}

/** Every hop, in order: what a hop needs stands before it. */
export const HOPS: readonly HopKind[] = [
  clock,
  profile,
  key,
  expiry,
  supervisor,
  device,
  addresses,
  routes,
  conflicts,
  fullTunnel,
  endpoints,
  accepted,
  gateway,
  handshake,
  gatewayAddress,
  mtu,
  dns,
  names,
  kubernetesService,
  service,
];

/** What is wrong between this device and the cluster's Services, and how it is mended. */
export function diagnose(findings: Findings): Diagnosis {
  const judged = HOPS.map(({ name, judge }) => ({ hop: name, ...asItWas(findings, judge(findings)) }));
  const verdict = judged.find((hop) => hop.status === 'broken');
  const because = verdict === undefined ? 'not looked at' : `not reached: first mend the ${verdict.hop}`;
  const hops = judged.map((hop) => (hop.status === 'skipped' && hop.why === '' ? { ...hop, why: because } : hop));
  return { profile: findings.name, hops, verdict };
}

/** A full tunnel is brought up again as a full one. */
function asItWas({ supervisor, name }: Findings, judgement: Judgement): Judgement {
  if (judgement.status !== 'broken' || supervisor.kind !== 'running' || !supervisor.full) return judgement;
  return { ...judgement, mend: judgement.mend.replace(`sallyport up ${name}`, `sallyport up ${name} --full`) };
}

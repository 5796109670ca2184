import { randomInt } from 'node:crypto';
import type { Commands } from '../../host/exec.ts';
import type { DnsReached, GatewayAnswer, InsideFinding, ServiceFinding } from '../../laptop/doctor/findings.ts';
import { foundIn } from '../../laptop/doctor/seen.ts';
import { newsOf } from '../../laptop/news.ts';
import { type ClientConfiguration, CONFIGURATION_PORT } from '../../mesh/client-configuration.ts';
import { addressFamily, type IpAddress } from '../../net/address.ts';
import { askGateway } from '../supervisor/refresh.ts';
import { lookForLargest } from './largest-packet.ts';
import { messageOf } from './looked.ts';
import { askDns, reachByTcp } from './reach.ts';
import { askSystemResolver } from './system-resolver.ts';

/** A Service that somebody asks about: NAME.NAMESPACE, and its port. */
export interface AskedService {
  readonly name: string;
  readonly port: number;
}

export interface InsideOptions {
  readonly commands: Commands;
  readonly configuration: ClientConfiguration;
  readonly mtu: number;
  readonly service: AskedService | undefined;
  /** All names are asked in the cluster, so one of the internet is tried as well. */
  readonly full: boolean;
}

/** Always there (RFC 2606), and nobody's business. */
const OUTSIDE = 'example.com';
const HTTPS_PORT = 443;

/** What is seen through the tunnel, which has to be there. */
export async function lookInside({
  commands,
  configuration,
  mtu,
  service,
  full,
}: InsideOptions): Promise<InsideFinding> {
  const { gateways, dns } = configuration;
  const [answers, dnsAnswers, names, outside] = await Promise.all([
    Promise.all(
      gateways.flatMap(({ name, addresses }) => addresses.map((address) => askAt(name, address, configuration))),
    ),
    Promise.all(
      (dns?.servers ?? []).map(async (server) => ({ server, answer: await askDns(server, nameOf(dns), newId()) })),
    ),
    dns === undefined ? undefined : askSystemResolver(commands, nameOf(dns)),
    full ? askSystemResolver(commands, OUTSIDE) : undefined,
  ]);
  const [there] = answers.filter(({ reached }) => reached.kind === 'connected' || reached.kind === 'refused');
  const server = dnsAnswers.find(({ answer }) => foundIn(answer) !== undefined);
  const address = foundIn(server?.answer)?.[0];
  const [kubernetes, asked, largest] = await Promise.all([
    address === undefined ? undefined : reachByTcp(address, HTTPS_PORT),
    service === undefined ? undefined : lookAtService(service, server?.server, dns?.domain),
    there === undefined ? undefined : lookForLargest(commands, there.address, mtu),
  ]);
  return {
    gateways: answers,
    largest,
    dns: dnsAnswers,
    names: names === undefined ? undefined : { name: nameOf(dns), answer: names },
    outside: outside === undefined ? undefined : { name: OUTSIDE, answer: outside },
    kubernetes: address === undefined || kubernetes === undefined ? undefined : { address, reached: kubernetes },
    service: asked,
  };
}

async function askAt(gateway: string, address: IpAddress, known: ClientConfiguration): Promise<GatewayAnswer> {
  const reached = await reachByTcp(address, CONFIGURATION_PORT);
  const common = { gateway, address, reached };
  if (reached.kind !== 'connected') return { ...common, http: undefined, news: [] };
  try {
    const from = known.addresses.find((own) => addressFamily(own) === addressFamily(address)) ?? address;
    const told = await askGateway({ address, from }, undefined);
    return {
      ...common,
      http: { status: 200, text: '' },
      news: told.kind === 'new' ? newsOf(known, told.configuration) : [],
    };
  } catch (error) {
    const [, status, text = ''] = /answered (\d{3}): ?([\s\S]*)$/.exec(messageOf(error)) ?? [];
    return { ...common, http: status === undefined ? undefined : { status: Number(status), text }, news: [] };
  }
}

async function lookAtService(
  { name, port }: AskedService,
  server: IpAddress | undefined,
  domain: string | undefined,
): Promise<ServiceFinding> {
  if (server === undefined || domain === undefined)
    return { name, port, dns: undefined, address: undefined, reached: undefined };
  const dns: DnsReached = await askDns(server, `${name}.svc.${domain}`, newId());
  const address = foundIn(dns)?.[0];
  return { name, port, dns, address, reached: address === undefined ? undefined : await reachByTcp(address, port) };
}

function nameOf(dns: ClientConfiguration['dns']): string {
  return `kubernetes.default.svc.${dns?.domain ?? 'cluster.local'}`;
}

function newId(): number {
  return randomInt(0x10000);
}

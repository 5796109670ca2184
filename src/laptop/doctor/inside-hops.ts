import type { IpAddress } from '../../net/address.ts';
import { cidrContains } from '../../net/cidr.ts';
import type { DnsReached, Findings, GatewayAnswer, Reached, ServiceFinding } from './findings.ts';
import { broken, type HopKind, type Judgement, NOT_REACHED, ok, skipped, unknown } from './hop.ts';
import { foundIn, seen } from './seen.ts';

/** RFC 1035, section 4.1.1. */
const RCODES: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
};
const NXDOMAIN = 3;
/** How a supervisor's notice about names begins. */
const NO_NAMES = 'names are not set up';

/** Each gateway answers through the tunnel at one of its mesh addresses; that nobody listens there is an answer too. */
export const gatewayAddress: HopKind = {
  name: 'mesh address',
  judge({ inside, name, files }) {
    if (inside === undefined || files.kind === 'unusable') return NOT_REACHED;
    const { gateways } = inside;
    if (gateways.length === 0) return skipped('the configuration names no mesh address of a gateway');
    const names = [...new Set(gateways.map(({ gateway }) => gateway))];
    const dead = names.find((gateway) => !gateways.some((one) => one.gateway === gateway && isThere(one.reached)));
    if (dead !== undefined) {
      const where = gateways
        .filter(({ gateway }) => gateway === dead)
        .map(({ address }) => address)
        .join(', ');
      return broken(
        `nothing comes back from gateway ${dead} at ${where} through the tunnel`,
        `sallyport down ${name} && sallyport up ${name}`,
      );
    }
    return ok(gateways.map(answerText).join(', '));
  },
};

function answerText({ address, reached, http, news }: GatewayAnswer): string {
  if (!isThere(reached)) return `${address} is silent`;
  if (http === undefined) return `${address} answers, but tells no configuration`;
  if (http.status === 200 || http.status === 304) {
    const but = news.length === 0 ? '' : `; the profile does not know yet that ${news.join(', ')}`;
    return `${address} answers${reached.kind === 'connected' ? ` in ${reached.ms.toFixed(1)} ms` : ''}${but}`;
  }
  return `${address} answers, but tells no configuration (${http.status}: ${http.text})`;
}

/** Packets as large as the interface sends come back. */
export const mtu: HopKind = {
  name: 'mtu',
  judge({ inside, files, device }) {
    const look = inside?.largest;
    if (look === undefined || files.kind === 'unusable') return NOT_REACHED;
    if (look.kind === 'unseen') return unknown(look.why);
    const { tried, passed } = look.value;
    if (passed === undefined) return unknown('the gateway answers no pings, so nothing is known of large packets');
    if (passed >= tried) return ok(`packets of ${tried} bytes, the largest that the interface sends, come back`);
    const own = seen(device)?.mtu ?? tried;
    return broken(
      `packets of ${tried} bytes are lost on the way, those of ${passed} come back, and the interface sends up to ${own}`,
      `sudo ip link set dev ${files.profile.device} mtu ${passed}`,
    );
  },
};

/** A DNS server of the cluster answers a question of our own. */
export const dns: HopKind = {
  name: 'cluster dns',
  judge({ inside, files }) {
    if (files.kind === 'unusable') return NOT_REACHED;
    const { dns: wanted } = files.configuration;
    if (wanted === undefined) return skipped('the gateways give no DNS server');
    if (inside === undefined) return NOT_REACHED;
    const good = inside.dns.find(({ answer }) => foundIn(answer) !== undefined);
    const name = `kubernetes.default.svc.${wanted.domain}`;
    if (good !== undefined) return ok(`${good.server} says that ${name} is ${foundIn(good.answer)?.join(', ')}`);
    const [first] = inside.dns;
    if (first === undefined) return NOT_REACHED;
    return noAnswer(first.server, first.answer, name);
  },
};

function noAnswer(server: string, answer: DnsReached, name: string): Judgement {
  const pods =
    'whoever runs the cluster sees whether it runs with: kubectl get pods -n kube-system -l k8s-app=kube-dns';
  if (answer.kind === 'refused')
    return broken(`nothing answers at the cluster's DNS server ${server}: the Service has no endpoint`, pods);
  if (answer.kind === 'silent')
    return broken(`the cluster's DNS server ${server} does not answer through the tunnel`, pods);
  if (answer.kind === 'unreachable')
    return broken(`the cluster's DNS server ${server} is not reached (${answer.code})`, pods);
  const said = answer.rcode === 0 ? 'has no address for' : `says ${RCODES[answer.rcode] ?? answer.rcode} about`;
  return broken(
    `the cluster's DNS server ${server} ${said} ${name}`,
    'whoever runs the cluster sets the right domain in spec.dns of the MeshGateway: kubectl edit meshgateway',
  );
}

/** This machine's programs find the cluster's names. */
export const names: HopKind = {
  name: 'names',
  judge({ inside, files, supervisor, name }) {
    if (files.kind === 'unusable') return NOT_REACHED;
    if (files.configuration.dns === undefined) return skipped('the cluster has no names for this device');
    const look = inside?.names;
    if (look === undefined) return NOT_REACHED;
    const { outside } = inside ?? {};
    if (look.answer.kind === 'found' && outside?.answer.kind === 'not-found')
      return broken(
        `this machine finds names of the cluster, and of the internet none (${outside.name}: ${outside.answer.code}): the cluster's DNS server does not ask on`,
        'whoever runs the cluster lets it forward other names: kubectl edit configmap -n kube-system coredns',
      );
    if (look.answer.kind === 'found')
      return ok(`this machine finds ${look.name} at ${look.answer.addresses.join(', ')}`);
    const again = `sallyport down ${name} && sallyport up ${name}`;
    if (supervisor.kind === 'running' && supervisor.leavesNames === true)
      return skipped(`the tunnel was brought up with --no-names; with names: ${again}`);
    return broken(`this machine does not find ${look.name} (${look.answer.code})${namesStanding(supervisor)}`, again);
  },
};

function namesStanding(supervisor: Findings['supervisor']): string {
  if (supervisor.kind !== 'running') return '';
  if (supervisor.names !== undefined) return `, though names were set up by ${supervisor.names}`;
  return `: ${supervisor.notices.findLast((text) => text.startsWith(NO_NAMES)) ?? NO_NAMES}`;
}

/** The way goes on to Services: the one that every cluster has answers. */
export const kubernetesService: HopKind = {
  name: 'services',
  judge(findings) {
    const { inside, files } = findings;
    const target = inside?.kubernetes;
    if (target === undefined || files.kind === 'unusable') return NOT_REACHED;
    const { address, reached } = target;
    const what = `the Service kubernetes at ${address}, port 443`;
    if (reached.kind === 'connected') return ok(`${what}, answers in ${reached.ms.toFixed(1)} ms`);
    if (!files.configuration.gateways.some(({ allowedIPs }) => allowedIPs.some((cidr) => cidrContains(cidr, address))))
      return broken(
        `${what}, is in none of the ranges that the tunnel leads to`,
        'whoever runs the cluster names the range in spec.advertise.services.cidrs: kubectl edit meshgateway',
      );
    if (isDenying(findings, address))
      return skipped(
        'the gateways let devices reach what they were granted, and cluster DNS (spec.access.default: Deny)',
      );
    if (reached.kind === 'refused' && inside?.service?.reached?.kind === 'connected')
      return skipped(`${what}, is refused, and what was asked about answers: it is not granted to this device`);
    return broken(`${what}, ${cause(reached)}`, servicesRemedy(reached));
  },
};

/** Whether the gateways that lead there deny by default: the device's own file says so, or, where that is old, the cluster. */
function isDenying({ cluster, files }: Findings, address: IpAddress): boolean {
  if (files.kind !== 'read') return false;
  const known = seen(seen(cluster)?.gateways) ?? [];
  const leading = files.configuration.gateways.filter(({ allowedIPs }) =>
    allowedIPs.some((cidr) => cidrContains(cidr, address)),
  );
  return leading.some(
    ({ name, deniesByDefault }) =>
      deniesByDefault || known.some(({ metadata, spec }) => metadata.name === name && spec.access?.default === 'Deny'),
  );
}

function servicesRemedy({ kind }: Reached): string {
  return kind === 'refused'
    ? 'whoever runs the cluster sees what devices may reach with: kubectl get meshgateways -o yaml (spec.access)'
    : 'whoever runs the cluster sees what the probe of each node says with: kubectl get meshgatewaynodes --all-namespaces';
}

/** The Service that somebody asked about. */
export const service: HopKind = {
  name: 'service',
  judge(findings) {
    const { inside, files } = findings;
    const found = inside?.service;
    if (found === undefined || files.kind === 'unusable') return NOT_REACHED;
    const { name, port, address, reached } = found;
    const [short = '', namespace = ''] = name.split('.');
    if (address === undefined) return withoutAddress(found, short, namespace);
    const ranges = files.configuration.gateways.flatMap(({ allowedIPs }) => allowedIPs);
    if (!ranges.some((cidr) => cidrContains(cidr, address)))
      return broken(
        `${name} is ${address}, to which the tunnel does not lead: a headless Service is its pods`,
        `kubectl get service -n ${namespace} ${short}`,
      );
    if (reached === undefined) return NOT_REACHED;
    if (reached.kind === 'connected')
      return ok(`${name} at ${address}, port ${port}, answers in ${reached.ms.toFixed(1)} ms`);
    const what = `${name} at ${address}, port ${port},`;
    const denial = reached.kind === 'refused' ? denialOf(findings, address) : undefined;
    if (denial !== undefined)
      return broken(
        `${what} is refused. ${denial}`,
        `ask the owner of namespace ${namespace} for a MeshAccess that lets this device through; what is granted says: sallyport access explain ${files.configuration.peer} ${name}:${port}`,
      );
    return broken(
      `${what} ${cause(reached)}`,
      `kubectl get service,endpointslices -n ${namespace} -l kubernetes.io/service-name=${short}`,
    );
  },
};

/** Why policy has a connection refused, as far as that is known; undefined where it does not, or nobody can say. */
function denialOf(findings: Findings, address: IpAddress): string | undefined {
  const { cluster, files } = findings;
  const answers = seen(seen(cluster)?.access);
  if (answers === undefined)
    return isDenying(findings, address)
      ? 'The gateways deny by default (spec.access.default: Deny), so it is not granted, or has no such port or no ready endpoint'
      : undefined;
  const own = files.kind === 'read' ? files.configuration.gateways.map(({ name }) => name) : [];
  const mine = answers.filter(({ gateway }) => own.includes(gateway));
  return mine.some(({ isAllowed }) => isAllowed) ? undefined : mine[0]?.because.replace(/\.$/, '');
}

function withoutAddress({ name, dns: answer }: ServiceFinding, short: string, namespace: string): Judgement {
  if (answer?.kind === 'answered' && answer.rcode === NXDOMAIN)
    return broken(`the cluster has no Service ${name}`, `kubectl get services -n ${namespace}`);
  if (answer?.kind === 'answered')
    return broken(`the Service ${name} has no address`, `kubectl get service -n ${namespace} ${short}`);
  return NOT_REACHED;
}

function cause(reached: Reached): string {
  switch (reached.kind) {
    case 'refused':
      return 'refuses the connection: it has no ready endpoint or no such port, or the gateway does not let devices reach it';
    case 'silent':
      return 'does not answer: packets are lost behind the gateway';
    case 'unreachable':
      return `cannot be reached (${reached.code})`;
    case 'connected':
      return 'answers';
  }
}

function isThere({ kind }: Reached): boolean {
  return kind === 'connected' || kind === 'refused';
}

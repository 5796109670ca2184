import { findCondition } from '../../api/conditions.ts';
import type { MeshGateway } from '../../api/meshgateway.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import type { ClientGateway } from '../../mesh/client-configuration.ts';
import { standingOf } from '../standing.ts';
import type { EndpointFinding, FilesFinding, Findings } from './findings.ts';
import { broken, type HopKind, type Judgement, NOT_REACHED, ok, skipped, unknown } from './hop.ts';
import { anyAnswered, seen, servicesAnswer } from './seen.ts';

type Read = Extract<FilesFinding, { readonly kind: 'read' }>;

/** The names of the endpoints lead to addresses. */
export const endpoints: HopKind = {
  name: 'endpoint',
  judge({ endpoints: found }) {
    if (found === undefined || found.length === 0) return NOT_REACHED;
    const lost = found.filter(({ outcome }) => outcome.kind === 'unresolved');
    const names = [...new Set(lost.map(({ endpoint }) => hostOf(endpoint)))];
    if (lost.length === found.length)
      return broken(
        `no address is found for ${names.join(', ')}, where the gateway is dialled`,
        `mend this machine's network or DNS until this prints an address: getent hosts ${names[0]}`,
      );
    const known = found.flatMap(({ endpoint, address }) => (address === undefined ? [] : [shown(endpoint, address)]));
    const but = names.length === 0 ? '' : `; no address is found for ${names.join(', ')}`;
    return ok(`${[...new Set(known)].join(', ')}${but}`);
  },
};

/** The cluster lets the device in. Without a kubeconfig a handshake proves it, and nothing disproves it. */
export const accepted: HopKind = {
  name: 'acceptance',
  judge(findings) {
    const { cluster, files, endpoints: tried } = findings;
    if (files.kind === 'unusable') return NOT_REACHED;
    const look = cluster?.kind === 'seen' ? cluster.value.peer : cluster;
    if (look?.kind === 'seen') return judgedPeer(findings, files, look.value);
    if (anyAnswered(tried)) return ok('a gateway took a handshake with the key of this device');
    return unknown(look?.why ?? 'only a kubeconfig shows whether the cluster lets this device in');
  },
};

function judgedPeer({ cluster, endpoints: tried, name }: Findings, { profile, key }: Read, peer: MeshPeer | undefined) {
  const id = `${profile.namespace}/${profile.peer}`;
  const describe = `kubectl describe meshpeer -n ${profile.namespace} ${profile.peer}`;
  if (peer === undefined)
    return broken(
      `the cluster has no MeshPeer ${id} any more`,
      `sallyport down ${name} && sallyport join --profile ${name}`,
    );
  const isKnown = key.kind !== 'read' || key.publicKey === peer.spec.nextPublicKey;
  const standing = standingOf(peer, isKnown ? peer.spec.publicKey : key.publicKey);
  if (standing.kind === 'refused')
    return broken(`the cluster does not let ${id} in: ${standing.text}`, letIn(peer, describe, name));
  if (standing.kind === 'ready') return ok(`the cluster lets ${id} in, and its gateway nodes know the device`);
  if (anyAnswered(tried)) return ok(`a gateway took a handshake, while ${id} waits for ${standing.text}`);
  const warning = seen(seen(cluster)?.warning);
  return broken(`${id} waits for ${standing.text}${warning === undefined ? '' : ` (${warning})`}`, describe);
}

function letIn({ spec, status }: MeshPeer, describe: string, name: string): string {
  const reason = findCondition(status?.conditions ?? [], 'Accepted')?.reason;
  if (reason === 'Expired') return `sallyport join --profile ${name} --expires 8h`;
  if (reason !== 'Suspended' && spec.suspended !== true) return describe;
  const [, , , ...where] = describe.split(' ');
  return `kubectl patch meshpeer ${where.join(' ')} --type merge -p '{"spec":{"suspended":false}}'`;
}

/** What the cluster says about the gateways themselves. Where everything answers, a fault of theirs is told but is not this device's. */
export const gateway: HopKind = {
  name: 'gateway',
  judge(findings) {
    const { cluster, files } = findings;
    if (files.kind === 'unusable') return NOT_REACHED;
    if (cluster === undefined) return skipped('only a kubeconfig shows how the gateways are');
    const look = cluster.kind === 'seen' ? cluster.value.gateways : cluster;
    if (look.kind === 'unseen') return unknown(look.why);
    const faults = files.configuration.gateways.flatMap((own) => {
      const fault = gatewayFault(
        findings,
        own,
        look.value.find(({ metadata }) => metadata.name === own.name),
      );
      return fault === undefined ? [] : [fault];
    });
    const [first] = faults;
    if (first === undefined) return ok('the cluster says that they are Ready');
    return servicesAnswer(findings) ? ok(`this device is served, while ${first.why}`) : broken(first.why, first.mend);
  },
};

interface Fault {
  readonly why: string;
  readonly mend: string;
}

function gatewayFault(findings: Findings, own: ClientGateway, there: MeshGateway | undefined): Fault | undefined {
  const { name, endpoints: tried } = findings;
  const again = `sallyport down ${name} && sallyport join --profile ${name}`;
  if (there === undefined) return { why: `the cluster has no MeshGateway ${own.name} any more`, mend: again };
  const { publicKey, conditions = [], endpoints: dialled = [] } = there.status ?? {};
  if (publicKey !== undefined && publicKey !== own.publicKey) {
    const former = there.status?.keys?.find((key) => key.publicKey === own.publicKey);
    const known = `and the one that this device knows ${former === undefined ? 'has ended' : `ends at ${former.until}`}`;
    return { why: `gateway ${own.name} has another key by now, ${publicKey}, ${known}`, mend: again };
  }
  const ready = findCondition(conditions, 'Ready');
  if (ready?.status === 'False')
    return {
      why: `gateway ${own.name} is not Ready: ${nodeFault(findings, own.name) ?? ready.message}`,
      mend: `whoever runs the cluster sees more with: kubectl describe meshgateway ${own.name}`,
    };
  const now = dialled.map(({ endpoint }) => endpoint);
  const isMoved = now.length > 0 && !own.endpoints.some((endpoint) => now.includes(endpoint));
  if (isMoved && !anyAnswered(tried?.filter(({ gateway: of }) => of === own.name)))
    return {
      why: `gateway ${own.name} is dialled at ${now.join(', ')} by now, which the profile does not know`,
      mend: again,
    };
  return undefined;
}

/** What an agent reports of its own node says more than the sum that the gateway shows. */
function nodeFault({ cluster }: Findings, name: string): string | undefined {
  const reports = seen(seen(cluster)?.nodes)?.filter(({ spec }) => spec.gateway === name) ?? [];
  const faults = reports.flatMap(({ spec, status }) =>
    (status?.conditions ?? [])
      .filter((condition) => condition.status === 'False')
      .map(({ message }) => `node ${spec.node}: ${message}`),
  );
  return faults[0];
}

/** Each gateway answers a handshake with this device's key at one of its endpoints. */
export const handshake: HopKind = {
  name: 'handshake',
  judge(findings) {
    const tried = findings.endpoints?.filter(({ outcome }) => outcome.kind !== 'unresolved') ?? [];
    if (tried.length === 0) return NOT_REACHED;
    const gateways = [...new Set(tried.map((one) => one.gateway))];
    const dead = gateways.find((name) => !anyAnswered(tried.filter((one) => one.gateway === name)));
    if (dead !== undefined)
      return unanswered(
        findings,
        tried.filter((one) => one.gateway === dead),
      );
    return ok(tried.map(outcomeText).join(', '));
  },
};

function unanswered({ cluster, name, files }: Findings, tried: readonly EndpointFinding[]): Judgement {
  const where = tried.map(({ endpoint }) => endpoint).join(', ');
  const [first] = tried;
  const all = (kind: EndpointFinding['outcome']['kind']) => tried.every(({ outcome }) => outcome.kind === kind);
  if (all('blocked'))
    return broken(
      `this machine's own firewall does not let UDP out to ${where}`,
      `allow it; the rules are shown by: sudo nft list ruleset`,
    );
  if (all('unreachable'))
    return broken(
      `this machine has no way to ${where}`,
      `connect it to a network; this must name a way: ip route get ${first?.address}`,
    );
  const peer = seen(seen(cluster)?.peer);
  const another = files.kind === 'read' ? gatewayOfAnotherKey(files, peer) : undefined;
  const again = `sallyport down ${name} && sallyport join --profile ${name}`;
  if (another !== undefined)
    return broken(
      `gateway ${another.name} has another key by now, and the one that this device knows has ended`,
      again,
    );
  if (all('refused'))
    return broken(
      `nothing listens on UDP at ${where}: the gateway does not run there, or got another key, and with it another port, while this device was away`,
      `whoever runs the cluster sees which with: kubectl get meshgatewaynodes --all-namespaces; after another key: ${again}`,
    );
  const psk =
    files.kind === 'read' && files.configuration.hasPresharedKey ? ', or the preshared key is another one' : '';
  if (peer !== undefined)
    return broken(
      `nothing comes back from ${where}, while the cluster lets this device in: UDP is dropped on the way${psk}`,
      `allow UDP to ${where} in the firewalls on the way, or try another network, such as a phone's`,
    );
  return broken(
    `nothing comes back from ${where}: UDP is dropped on the way, or the gateway does not let this key in, or got another key itself while this device was away${psk}`,
    `try another network, such as a phone's; how the keys are, a kubeconfig tells: sallyport doctor ${name} --kubeconfig FILE`,
  );
}

/** What the cluster would tell this device now has no place for the key that it knows; who may see the MeshPeer need not see gateways. */
function gatewayOfAnotherKey({ configuration }: Read, peer: MeshPeer | undefined): ClientGateway | undefined {
  const config = peer?.status?.config;
  return config === undefined
    ? undefined
    : configuration.gateways.find(
        ({ name, publicKey }) => config.includes(`# MeshGateway ${name}`) && !config.includes(publicKey),
      );
}

function outcomeText({ endpoint, outcome }: EndpointFinding): string {
  switch (outcome.kind) {
    case 'answered':
      return `${endpoint} answers in ${outcome.rttMs.toFixed(1)} ms`;
    case 'silent':
      return `${endpoint} is silent`;
    case 'refused':
      return `nothing listens at ${endpoint}`;
    case 'unreachable':
      return `there is no way to ${endpoint} (${outcome.code})`;
    case 'blocked':
      return `this machine does not let out what goes to ${endpoint}`;
    case 'unresolved':
      return `${endpoint} is not found`;
  }
}

function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

function shown(endpoint: string, address: string): string {
  return hostOf(endpoint) === address ? endpoint : `${endpoint} (${address})`;
}

import type { AccessStatus } from '../../api/access-fields.ts';
import { conditionsFrom, type Reason, type Verdict, verdict } from '../../api/conditions.ts';
import type { Service } from '../../api/core.ts';
import type { MeshGateway } from '../../api/meshgateway.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import { type KubernetesObject, keyOf } from '../../api/resource.ts';
import { timestamp } from '../../api/timestamp.ts';
import { addressesIn } from '../../net/address.ts';
import { memberOf } from '../members.ts';
import { topology } from '../topology.ts';
import { some } from '../view.ts';
import { type AccessMember, advertisedIn, endOf, isFor, leadsTo, MOST_OF_A_GRANT, openedBy } from './access.ts';
import { type AccessWorld, type AnyAccess, type Range, type Resolved, resolveAccess } from './resolve.ts';
import { accessGateway } from './world.ts';

/** What is decided about a grant at a moment. */
export interface AccessJudgement {
  readonly status: AccessStatus;
  /** When time alone changes this judgement, in milliseconds since the epoch; undefined for never. */
  readonly until: number | undefined;
}

/** What `status.peers.names` and `status.services.names` have room for, so that ten thousand peers fit. */
const MOST_NAMES = 10;

/** What is told of one grant; the nodes ask nobody, they resolve it themselves. `now` is in milliseconds since the epoch. */
export function judgeAccess(
  access: AnyAccess,
  {
    gateways,
    world,
    now,
  }: { readonly gateways: readonly MeshGateway[]; readonly world: AccessWorld; readonly now: number },
): AccessJudgement {
  const end = endOf(access);
  const found = end <= now ? undefined : findings(access, gateways, world, now);
  const verdicts =
    found === undefined ? ended(access) : [ACCEPTED, resolvedVerdict(access, found), enforcedVerdict(access, found)];
  const { generation } = access.metadata;
  return {
    status: {
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      ...(found === undefined
        ? {}
        : {
            peers: matched(found.inside),
            services: matched(found.inside.length === 0 ? found.led : found.open, access.metadata.namespace),
            gateways: found.enforcing.map(({ metadata }) => metadata.name).sort(),
          }),
      conditions: [...conditionsFrom(verdicts, access.status?.conditions ?? [], generation ?? 0, timestamp(now))],
    },
    until: end > now && end < Number.POSITIVE_INFINITY ? end : undefined,
  };
}

interface Findings {
  readonly resolved: Resolved;
  readonly serving: readonly MeshGateway[];
  readonly enforcing: readonly MeshGateway[];
  /** Those of its peers that one of its gateways lets in. */
  readonly inside: readonly MeshPeer[];
  /** Those of its Services to which one of its gateways leads. */
  readonly led: readonly Service[];
  /** Those of them that reach something. */
  readonly admitted: readonly MeshPeer[];
  /** Those of its Services that some device reaches. */
  readonly open: readonly Service[];
  /** Those of its ranges of which one of its gateways advertises something. */
  readonly ranges: readonly Range[];
  /** Whether it would open more than there is room for. */
  readonly isCut: boolean;
}

function findings(access: AnyAccess, all: readonly MeshGateway[], world: AccessWorld, now: number): Findings {
  const resolved = resolveAccess(access, world);
  const served = all.flatMap((gateway) => {
    const found = gateway.metadata.deletionTimestamp === undefined ? topology(gateway) : undefined;
    return found === undefined || !isFor(access, gateway.metadata.name) ? [] : [found];
  });
  const serving = served.map(({ gateway }) => gateway);
  const opened = served.flatMap((one) => {
    const members = resolved.peers.flatMap((peer) => memberAt(one.gateway, peer, now));
    return [...openedBy(accessGateway(one), members, { accesses: [access], world, now })];
  });
  const services = opened.flatMap((one) => one.services);
  const led = resolved.destinations.filter(({ addresses }) =>
    served.some((one) => addresses.some((address) => leadsTo(accessGateway(one), address))),
  );
  const ranges = resolved.ranges.filter((range) =>
    served.some((one) => advertisedIn(accessGateway(one), range).length > 0),
  );
  return {
    resolved,
    serving,
    enforcing: serving.filter(({ spec }) => spec.access.default === 'Deny'),
    inside: resolved.peers.filter((peer) => serving.some((gateway) => memberAt(gateway, peer, now).length > 0)),
    led: [...new Set(led.map(({ service }) => service))],
    admitted: [...new Set(opened.flatMap((one) => [...one.services, ...one.ranges]).map(({ member }) => member.peer))],
    open: [...new Set(services.map(({ destination }) => destination.service))],
    ranges,
    isCut: opened.some(({ isCut }) => isCut),
  };
}

/** The peer as the gateway lets it in, if it does. */
function memberAt({ metadata }: MeshGateway, peer: MeshPeer, now: number): readonly AccessMember[] {
  return memberOf(metadata.name, peer, now) === undefined
    ? []
    : [{ peer, addresses: addressesIn(peer.status?.addresses ?? []) }];
}

const CUT = `it would open more than the ${MOST_OF_A_GRANT} pairs of a device and a port that a grant may, so the newest devices are left out; name fewer devices, Services or ports`;
const ACCEPTED = verdict('MeshAccess', 'Accepted', 'True', 'Accepted', 'The grant holds.');

function ended({ spec, kind }: AnyAccess): readonly Verdict<'MeshAccess'>[] {
  const message = `spec.expiresAt (${spec.expiresAt}) has passed, so nothing is granted; set a later time, or delete this ${kind}.`;
  return [
    verdict('MeshAccess', 'Accepted', 'False', 'Expired', message),
    verdict('MeshAccess', 'Resolved', 'False', 'NotAccepted', 'Nothing is granted; see Accepted.'),
    verdict('MeshAccess', 'Enforced', 'False', 'NotAccepted', 'Nothing is granted; see Accepted.'),
  ];
}

function resolvedVerdict(access: AnyAccess, found: Findings): Verdict<'MeshAccess'> {
  const { resolved, admitted, open, ranges } = found;
  const leads = found.led.length > 0 || ranges.length > 0;
  const shut = leads ? undefined : closed(access, found);
  if (shut !== undefined) return shut;
  if (found.inside.length === 0) return unused(access, resolved.peers);
  if (admitted.length === 0 && leads) return apart(found);
  const what = `${counted(admitted.length, 'device')} may reach ${opened(open.length, ranges)}`;
  const gaps = gapsOf(access, found);
  return gaps.length === 0
    ? verdict('MeshAccess', 'Resolved', 'True', 'Resolved', `${what}.`)
    : verdict('MeshAccess', 'Resolved', 'True', 'PartlyResolved', `${what}, but ${gaps.join('; and ')}.`);
}

/** Why nothing is opened, whoever it is for. */
function closed(access: AnyAccess, { resolved, serving }: Findings): Verdict<'MeshAccess'> | undefined {
  const { namespace } = access.metadata;
  const [where, flag] = namespace === undefined ? ['', '-A'] : [` of namespace ${namespace}`, `-n ${namespace}`];
  const refuse = (reason: Reason<'MeshAccess', 'Resolved'>, message: string) =>
    verdict('MeshAccess', 'Resolved', 'False', reason, message);
  const meant = [...new Set(resolved.entries.flatMap((entry) => entry.meant))];
  if (meant.length === 0 && resolved.ranges.length === 0)
    return refuse(
      'NoMatchingServices',
      `spec.to matches no Service${where}; compare it with: kubectl get services ${flag} --show-labels`,
    );
  if (meant.length > 0 && resolved.withoutClusterIp.length === meant.length)
    return refuse(
      'NoClusterIP',
      `${headless(meant)}, and a grant opens cluster IPs; give the Service one (spec.clusterIP other than None, type other than ExternalName).`,
    );
  if (meant.length > 0 && resolved.destinations.length === 0)
    return refuse(
      'NoSuchPort',
      `${namesOf(meant)}${where} has no TCP or UDP port that spec.to names; compare it with: kubectl get services ${flag}`,
    );
  // Without a gateway nobody can say where one leads; Enforced tells of that.
  if (serving.length === 0) return undefined;
  const what = [...meant.map(({ metadata }) => metadata.name), ...new Set(resolved.ranges.map(({ cidr }) => cidr))];
  return refuse(
    'NotAdvertised',
    `No gateway that this is for leads to ${some(what)}; see status.serviceCIDRs and spec.advertise of the MeshGateways.`,
  );
}

function unused(access: AnyAccess, matching: readonly MeshPeer[]): Verdict<'MeshAccess'> {
  const own = access.spec.from.some(
    ({ namespaces }: { readonly namespaces?: object | undefined }) => namespaces === undefined,
  );
  const where = own ? `; without namespaces, spec.from[] means namespace ${access.metadata.namespace} alone` : '';
  const message =
    matching.length === 0
      ? `spec.from matches no MeshPeer; compare it with: kubectl get meshpeers -A -o wide --show-labels${where}`
      : `spec.from matches ${namesOf(matching)}, and no gateway that this is for lets ${matching.length === 1 ? 'it' : 'one of them'} in; see: kubectl get meshpeers -A`;
  return verdict('MeshAccess', 'Resolved', 'False', 'NoMatchingPeers', message);
}

function apart({ inside, resolved }: Findings): Verdict<'MeshAccess'> {
  const where = [...new Set(resolved.destinations.map(({ service }) => service))];
  const what = [...where.map(({ metadata }) => metadata.name), ...new Set(resolved.ranges.map(({ cidr }) => cidr))];
  const message = `${namesOf(inside)} and ${some(what)} have no IP family in common; give the MeshPeer an address of the other family (spec.pool of the MeshGateway), or the Service a cluster IP of it (spec.ipFamilyPolicy).`;
  return verdict('MeshAccess', 'Resolved', 'False', 'NoCommonFamily', message);
}

/** What of a grant that works does not. */
function gapsOf({ spec }: AnyAccess, { resolved, ranges, isCut }: Findings): readonly string[] {
  const { entries, withoutClusterIp } = resolved;
  const gaps = entries.flatMap(({ meant, destinations, ranges: wished }, index) => {
    const which = `spec.to[${index}]`;
    const lost = wished.filter((range) => !ranges.includes(range)).map(({ cidr }) => cidr);
    if (lost.length > 0) return [`no gateway advertises ${some([...new Set(lost)])} (${which})`];
    if (destinations.length > 0 || wished.length > 0) return [];
    if (meant.some((service) => withoutClusterIp.includes(service))) return [];
    const { names = [] } = spec.to[index] ?? {};
    return meant.length === 0
      ? [`${which} matches no Service${names.length === 0 ? '' : ` (${some(names)})`}`]
      : [`${which} names no port that its Services have`];
  });
  const missing = entries.flatMap(({ meant }, index) =>
    meant.length === 0
      ? []
      : (spec.to[index]?.names ?? []).filter((name) => !meant.some(({ metadata }) => metadata.name === name)),
  );
  return [
    ...(isCut ? [CUT] : []),
    ...gaps,
    ...(missing.length === 0 ? [] : [`there is no Service ${some(missing)}`]),
    ...(withoutClusterIp.length === 0 ? [] : [headless(withoutClusterIp)]),
  ];
}

function enforcedVerdict(access: AnyAccess, { serving, enforcing }: Findings): Verdict<'MeshAccess'> {
  if (enforcing.length > 0) {
    const others = serving.filter((gateway) => !enforcing.includes(gateway));
    const but =
      others.length === 0 ? '' : `; ${bare(others)} ${others.length === 1 ? 'allows' : 'allow'} every Service anyway`;
    const message = `${bare(enforcing)} ${enforcing.length === 1 ? 'denies' : 'deny'} by default what is not granted${but}.`;
    return verdict('MeshAccess', 'Enforced', 'True', 'Enforced', message);
  }
  if (serving.length > 0) {
    const message = `${bare(serving)} ${serving.length === 1 ? 'allows' : 'allow'} every Service anyway, granted or not; to have grants decide, set spec.access.default to Deny: kubectl edit meshgateway ${serving[0]?.metadata.name}`;
    return verdict('MeshAccess', 'Enforced', 'False', 'AllowedAnyway', message);
  }
  const which =
    access.spec.gateways === undefined
      ? 'There is no accepted MeshGateway'
      : `No MeshGateway of spec.gateways (${some(access.spec.gateways)}) exists and is accepted`;
  return verdict('MeshAccess', 'Enforced', 'False', 'NoGateway', `${which}; see: kubectl get meshgateways`);
}

/** `own` is the namespace that goes without saying. */
function matched(objects: readonly KubernetesObject[], own?: string) {
  const nameOf = ({ metadata }: KubernetesObject) =>
    own !== undefined && metadata.namespace === own ? metadata.name : keyOf(metadata);
  const names = objects.map(nameOf).sort();
  return { matched: objects.length, ...(names.length === 0 ? {} : { names: names.slice(0, MOST_NAMES) }) };
}

function headless(services: readonly KubernetesObject[]): string {
  return `${namesOf(services)} ${services.length === 1 ? 'has' : 'have'} no cluster IP`;
}

function namesOf(objects: readonly KubernetesObject[]): string {
  const names = objects.map(({ metadata, kind }) => (kind === 'MeshPeer' ? keyOf(metadata) : metadata.name)).sort();
  return some(names);
}

function bare(gateways: readonly MeshGateway[]): string {
  const names = gateways.map(({ metadata }) => metadata.name);
  return `${names.length === 1 ? 'MeshGateway' : 'MeshGateways'} ${some(names)}`;
}

function opened(services: number, ranges: readonly Range[]): string {
  const cidrs = [...new Set(ranges.map(({ cidr }) => cidr))];
  const parts = [...(services > 0 ? [counted(services, 'Service')] : []), ...(cidrs.length > 0 ? [some(cidrs)] : [])];
  return parts.length === 0 ? 'nothing' : parts.join(' and ');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

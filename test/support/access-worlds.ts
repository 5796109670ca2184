import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { type ClusterMeshAccess, clusterMeshAccessType } from '../../src/api/clustermeshaccess.ts';
import { type Namespace, namespaceType, type Service, serviceType } from '../../src/api/core.ts';
import type { LabelSelector } from '../../src/api/fields.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import type { AnyAccess } from '../../src/mesh/access/resolve.ts';
import { aMember, NOW } from './builders.ts';

/** Namespaces, devices, Services and what their owners grant, at the moment `NOW` and for gateway `default`. */
export interface World {
  readonly namespaces: readonly Namespace[];
  readonly peers: readonly MeshPeer[];
  readonly services: readonly Service[];
  readonly accesses: readonly AnyAccess[];
}

/** What of a world is given, while labels, namespaces, names and grants are drawn. */
export interface Ground {
  /** The addresses of each device. */
  readonly peers: readonly (readonly string[])[];
  /** The cluster IPs and ports of each Service. */
  readonly services: readonly { readonly clusterIPs: readonly string[]; readonly ports: readonly Port[] }[];
}

type Port = Service['spec']['ports'][number];

const NAMESPACES = ['red', 'green'];
const OWNERS = ['ada@example.com', 'bob@example.com'];
const GROUPS = ['oncall', 'admins'];
const LATER = new Date(NOW + 60_000).toISOString();
const BEFORE = new Date(NOW - 60_000).toISOString();

/** Random worlds on this ground; without one, on ground that is random too. */
export function randomWorld(ground?: Ground): fc.Arbitrary<World> {
  const peers = ground === undefined ? fc.integer({ min: 1, max: 5 }).map(addressesOf) : fc.constant(ground.peers);
  const services =
    ground === undefined
      ? fc.array(randomService, { minLength: 1, maxLength: 5, size: 'max' })
      : fc.constant(ground.services);
  return fc.tuple(peers, services).chain(([addresses, offered]) =>
    fc.record({
      namespaces: fc.tuple(...NAMESPACES.map((name) => labels.map((own) => namespace(name, own)))),
      peers: fc.tuple(...addresses.map((own, index) => peer(`peer-${index}`, own, ground === undefined))),
      services: fc.tuple(...offered.map((spec, index) => service(`service-${index}`, spec))),
      accesses: fc.array(fc.nat(1e6).chain(access), { minLength: 1, maxLength: 6, size: 'max' }),
    }),
  );
}

/**
 * Whether a device may open a connection to a port of a Service through a gateway that denies by default: said once more, as a
 * person would check it by hand, from the objects alone and by nothing of the program.
 */
export function mayReach(world: World, peer: MeshPeer, service: Service, port: Port): boolean {
  if (port.protocol !== 'TCP' && port.protocol !== 'UDP') return false;
  const place = world.namespaces.find((one) => one.metadata.name === service.metadata.namespace);
  return isGranted(world, peer, (to, own) =>
    own === undefined
      ? isIn(to.namespaces, place) && isTo(to, service, port)
      : own === service.metadata.namespace && isTo(to, service, port),
  );
}

/** The same of a port at an address that the gateway advertises besides Services. */
export function mayEnter(world: World, peer: MeshPeer, { address, port }: Place): boolean {
  return isGranted(world, peer, ({ cidrs, ports }) => {
    const isMeant = ports?.some((wish) => wish.number === port) !== false;
    return isMeant && cidrs?.some((cidr) => holds(cidr, address)) === true;
  });
}

/** A port at an address. */
export interface Place {
  readonly address: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

/** Whether some grant that holds is for this device and this target; `own` is the grant's namespace. */
function isGranted(
  world: World,
  peer: MeshPeer,
  isTarget: (to: Spec['to'][number], own: string | undefined) => boolean,
) {
  const { suspended, expiresAt } = peer.spec;
  if (suspended || isOver(expiresAt) || peer.metadata.deletionTimestamp !== undefined) return false;
  const home = world.namespaces.find((one) => one.metadata.name === peer.metadata.namespace);
  return world.accesses.some(({ metadata, spec }) => {
    if (metadata.deletionTimestamp !== undefined || isOver(spec.expiresAt)) return false;
    if (spec.gateways !== undefined && !spec.gateways.includes('default')) return false;
    const { from: entries, to: targets }: Partial<Spec> = spec as Spec;
    return (
      entries.some((from) => isFrom(from, peer, home, metadata.namespace)) &&
      targets.some((to) => isTarget(to, metadata.namespace))
    );
  });
}

function holds(cidr: string, address: string): boolean {
  const [net = '', length] = cidr.split('/');
  const family = (one: string) => (isIP(one) === 6 ? 'ipv6' : 'ipv4');
  const list = new BlockList();
  list.addSubnet(net, Number(length), family(net));
  return list.check(address, family(address));
}

function isOver(time: string | undefined): boolean {
  return time !== undefined && Date.parse(time) <= NOW;
}

type Spec = ClusterMeshAccess['spec'];

function isIn(wish: Spec['to'][number]['namespaces'], place: Namespace | undefined): boolean {
  if (wish === undefined || place === undefined) return false;
  return wish.names?.includes(place.metadata.name) ?? fits(wish.selector, place.metadata.labels);
}

function isFrom(
  from: Partial<Spec['from'][number]>,
  peer: MeshPeer,
  home: Namespace | undefined,
  own: string | undefined,
) {
  const { namespaces, names, owners, groups, selector: wanted } = from;
  if (namespaces === undefined && peer.metadata.namespace !== own) return false;
  if (namespaces?.names !== undefined && !namespaces.names.includes(peer.metadata.namespace ?? '')) return false;
  if (namespaces?.selector !== undefined && !fits(namespaces.selector, home?.metadata.labels)) return false;
  if (names !== undefined && !names.includes(peer.metadata.name)) return false;
  if (owners !== undefined && !owners.includes(peer.spec.owner ?? 'nobody')) return false;
  if (groups !== undefined && !groups.some((group) => (peer.spec.groups ?? []).includes(group))) return false;
  return fits(wanted, peer.metadata.labels);
}

function isTo({ names, ports, selector: wanted }: Spec['to'][number], service: Service, port: Port) {
  if (names !== undefined && !names.includes(service.metadata.name)) return false;
  const isWished = ports?.some((wish) => wish.number === port.port || wish.name === (port.name ?? '-'));
  return isWished !== false && fits(wanted, service.metadata.labels);
}

function fits(wanted: LabelSelector | undefined, worn: Readonly<Record<string, string>> = {}): boolean {
  for (const [key, value] of Object.entries(wanted?.matchLabels ?? {})) if (worn[key] !== value) return false;
  for (const { key, operator, values: given = [] } of wanted?.matchExpressions ?? []) {
    const isThere = key in worn;
    const has = isThere && given.includes(worn[key] ?? '');
    if ({ In: has, NotIn: !has, Exists: isThere, DoesNotExist: !isThere }[operator] === false) return false;
  }
  return true;
}

/** Each pair of a device and a port of a Service. */
export function pairsOf({ peers, services }: World) {
  return peers.flatMap((one) =>
    services.flatMap((other) => other.spec.ports.map((open) => ({ peer: one, service: other, port: open }))),
  );
}

const labels = fc.dictionary(fc.constantFrom('team', 'tier'), fc.constantFrom('a', 'b'), { maxKeys: 2 });
const groups = fc.oneof(fc.constant({}), fc.record({ groups: fc.subarray(GROUPS, { minLength: 1 }) }));
const someNamespace = fc.constantFrom(...NAMESPACES);

const values = fc.subarray(['a', 'b'], { minLength: 1 });
const requirement = fc.oneof(
  fc.record({ key: fc.constantFrom('team', 'tier'), operator: fc.constantFrom('In', 'NotIn'), values }),
  fc.record({ key: fc.constantFrom('team', 'tier'), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);
const selector = fc.record(
  { matchLabels: labels, matchExpressions: fc.array(requirement, { maxLength: 2 }) },
  { requiredKeys: [] },
);

const randomPort: fc.Arbitrary<Port> = fc.record(
  {
    name: fc.constantFrom('http', 'grpc'),
    port: fc.constantFrom(80, 443, 53),
    protocol: fc.constantFrom('TCP', 'TCP', 'UDP', 'SCTP'),
  },
  { requiredKeys: ['port', 'protocol'] },
);
const randomService = fc.record({
  clusterIPs: fc
    .tuple(fc.integer({ min: 1, max: 250 }), fc.constantFrom('4', '46', '6', 'none'))
    .map(([host, families]) => [
      ...(families.includes('4') ? [`10.96.7.${host}`] : []),
      ...(families.includes('6') ? [`fd5a:96::7:${host}`] : []),
      ...(families === 'none' ? ['None'] : []),
    ]),
  ports: fc.uniqueArray(randomPort, {
    minLength: 1,
    maxLength: 3,
    size: 'max',
    selector: ({ port, protocol }) => `${port} ${protocol}`,
  }),
});

function addressesOf(count: number): readonly (readonly string[])[] {
  return Array.from({ length: count }, (_, index) => [`10.213.2.${index}`, `fd5a:213::2:${index}`]);
}

function namespace(name: string, own: Readonly<Record<string, string>>): Namespace {
  return namespaceType.parse({ metadata: { name, labels: own } });
}

/** Mostly one that is let in; where nothing is given, also one that is out. */
function peer(name: string, addresses: readonly string[], mayBeOut: boolean): fc.Arbitrary<MeshPeer> {
  const state = mayBeOut
    ? fc.constantFrom({}, {}, {}, { expiresAt: LATER }, { expiresAt: BEFORE }, { suspended: true }, 'deleted' as const)
    : fc.constant({});
  return fc
    .record({ namespace: someNamespace, labels, owner: fc.option(fc.tuple(fc.constantFrom(...OWNERS), groups)), state })
    .map(({ namespace: home, labels: worn, owner, state: drawn }) =>
      aMember({
        name,
        namespace: home,
        metadata: { labels: worn, ...(drawn === 'deleted' ? { deletionTimestamp: BEFORE } : {}) },
        spec: { ...(owner === null ? {} : { owner: owner[0], ...owner[1] }), ...(drawn === 'deleted' ? {} : drawn) },
        status: { addresses: [...addresses] },
      }),
    );
}

function service(name: string, spec: Ground['services'][number]): fc.Arbitrary<Service> {
  return fc
    .record({ namespace: someNamespace, labels })
    .map(({ namespace: home, labels: worn }) =>
      serviceType.parse({ metadata: { name, namespace: home, labels: worn }, spec }),
    );
}

/** Rarely there: what is asked for all at once matches nobody. */
function rarely<K extends string, T>(key: K, value: fc.Arbitrary<T>): fc.Arbitrary<{ readonly [P in K]?: T }> {
  const there = value.map((one) => ({ [key]: one }));
  return fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: there }) as never;
}

const from = fc
  .tuple(
    fc.oneof(
      fc.constant({}),
      fc.record({ namespaces: fc.record({ names: fc.subarray(NAMESPACES, { minLength: 1 }) }) }),
      fc.record({ namespaces: fc.record({ selector }) }),
    ),
    rarely('names', fc.subarray(['peer-0', 'peer-1', 'peer-2', 'nobody'], { minLength: 1 })),
    rarely('selector', selector),
    rarely('groups', fc.subarray([...GROUPS, 'gone'], { minLength: 1 })),
    rarely('owners', fc.subarray([...OWNERS, 'eve@example.com'], { minLength: 1 })),
  )
  .map((parts) => Object.assign({}, ...parts));
const port = fc.oneof(
  fc.record({ name: fc.constantFrom('http', 'grpc', 'dns') }),
  fc.record({ number: fc.constantFrom(7, 53, 80, 443) }),
);
const which = fc.oneof(
  fc.constant({}),
  fc.record({ names: fc.subarray(['service-0', 'service-1', 'service-2', 'absent'], { minLength: 1 }) }),
  fc.record({ selector }),
);
const to = fc
  .tuple(which, rarely('ports', fc.array(port, { minLength: 1, maxLength: 2 })))
  .map(([chosen, ports]) => ({ ...chosen, ...ports }));

/** Of what the gateway advertises besides Services: all of it and more, a part, one address, and a part without anybody. */
const RANGES = [
  '10.0.0.0/8',
  '10.1.0.0/24',
  '10.1.0.0/28',
  '10.1.0.2/32',
  '10.1.0.128/25',
  'fd5a:1::/64',
  'fd5a:1::2/128',
];
const toRange = fc
  .tuple(
    fc.record({ cidrs: fc.subarray(RANGES, { minLength: 1, maxLength: 3 }) }),
    fc.oneof(
      fc.constant({}),
      fc.record({ ports: fc.subarray([{ number: 8080 }, { number: 7007 }, { number: 5353 }], { minLength: 1 }) }),
    ),
  )
  .map(([chosen, ports]) => ({ ...chosen, ...ports }));

const someNamespaces = fc.oneof(
  fc.record({ names: fc.subarray(NAMESPACES, { minLength: 1 }) }),
  fc.record({ selector }),
);

/** Of a namespace, or now and then of the cluster. */
function access(number: number): fc.Arbitrary<AnyAccess> {
  return fc
    .record({
      home: fc.oneof({ weight: 4, arbitrary: someNamespace }, { weight: 1, arbitrary: fc.constant(undefined) }),
      isDeleted: fc.constantFrom(false, false, false, false, true),
      from: fc.array(fc.tuple(from, someNamespaces), { minLength: 1, maxLength: 2 }),
      to: fc.array(fc.tuple(to, someNamespaces), { minLength: 1, maxLength: 2 }),
      ranges: fc.array(toRange, { maxLength: 2 }),
      end: rarely('expiresAt', fc.constantFrom(LATER, LATER, BEFORE)),
      at: rarely('gateways', fc.constantFrom(['default'], ['default', 'office'], ['office'])),
    })
    .map(({ home, isDeleted: gone, from: givers, to: targets, ranges, end, at }) => {
      const deletion = gone ? { deletionTimestamp: BEFORE } : {};
      const name = `access-${number}`;
      const apiVersion = 'sallyport.dev/v1alpha1';
      if (home === undefined) {
        const spec = {
          from: givers.map(([entry, namespaces]) => ({ ...entry, namespaces })),
          to: [...targets.map(([entry, namespaces]) => ({ ...entry, namespaces })), ...ranges],
        };
        const object = { apiVersion, kind: 'ClusterMeshAccess', metadata: { name, ...deletion } };
        return clusterMeshAccessType.parse({ ...object, spec: { ...spec, ...end, ...at } });
      }
      const spec = { from: givers.map(([entry]) => entry), to: targets.map(([entry]) => entry) };
      const object = { apiVersion, kind: 'MeshAccess', metadata: { name, namespace: home, ...deletion } };
      return meshAccessType.parse({ ...object, spec: { ...spec, ...end, ...at } });
    });
}

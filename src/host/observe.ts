import { type Link, parseDefaultRoutes, parseHostAddresses, parseLinks } from '../dataplane/link/parse.ts';
import { type Underlay, underlayMtu } from '../dataplane/local-facts.ts';
import type { Names, NodeState, ObservedInterface, ObservedSysctls } from '../dataplane/node-plan.ts';
import { parseMainRoutes } from '../dataplane/routes/parse.ts';
import { ROUTE_PROTOCOL, type Route } from '../dataplane/routes/route.ts';
import type { ObservedDevice } from '../dataplane/wireguard/device.ts';
import type { Family } from '../net/address.ts';
import type { Commands } from './exec.ts';
import type { Nftables } from './nftables.ts';
import type { Sysctls } from './sysctls.ts';
import type { WireGuard } from './wireguard.ts';

/** Everything that looking at a node needs. */
export interface Eyes {
  readonly commands: Commands;
  readonly wireguard: WireGuard;
  readonly nftables: Nftables;
  readonly sysctls: Sysctls;
}

/** The interface bears our name but is something else; it is left alone. */
export class ForeignLink extends Error {
  constructor(name: string, kind: string) {
    super(
      `the interface ${name} exists and is of type ${kind}, not WireGuard; it is not ours, so it stays untouched: rename or remove it on the node (ip link), or give the MeshGateway another name`,
    );
    this.name = 'ForeignLink';
  }
}

/** All interfaces of the node. */
export async function observeLinks({ commands }: Pick<Eyes, 'commands'>): Promise<readonly Link[]> {
  return parseLinks(await commands.run(['ip', '-json', '-details', 'link', 'show']));
}

/** What is there under the names; `remembered` adds to what the table records of forwarding that we turned on. */
export async function observeState(
  eyes: Eyes,
  names: Names,
  links: readonly Link[],
  remembered: ReadonlySet<Family>,
): Promise<NodeState> {
  const [own, other, table, forwarding4, forwarding6] = await Promise.all([
    observeInterface(eyes, names.device, links),
    observeInterface(eyes, names.other, links),
    eyes.nftables.list(names.table),
    eyes.sysctls.forwarding(4),
    eyes.sysctls.forwarding(6),
  ]);
  const turnedOn = [...new Set([...(table?.observed.turnedOn ?? []), ...remembered])].sort();
  const sysctls: ObservedSysctls = {
    forwarding4: forwarding4 === true,
    forwarding6,
    rpFilter: own?.rpFilter,
    turnedOn,
  };
  const devices = [own, other].flatMap((one) => one?.device.name ?? []);
  const routes = devices.length === 0 ? [] : await observeRoutes(eyes, devices, forwarding6 !== undefined);
  return { device: own?.device, ...(other === undefined ? {} : { other }), ruleset: table?.observed, routes, sysctls };
}

async function observeInterface(
  eyes: Eyes,
  device: string,
  links: readonly Link[],
): Promise<ObservedInterface | undefined> {
  const link = links.find(({ name }) => name === device);
  if (link === undefined) return undefined;
  const [observed, rpFilter] = await Promise.all([observeDevice(eyes, link), eyes.sysctls.rpFilter(device)]);
  return { device: observed, rpFilter };
}

/** The MTU of the way out of the node. */
export async function observeUnderlayMtu({ commands }: Eyes, links: readonly Link[], ipv6: boolean): Promise<number> {
  const defaults: Underlay['defaultRoutes'][number][] = [];
  for (const family of families(ipv6))
    defaults.push(...parseDefaultRoutes(await commands.run(['ip', '-json', `-${family}`, 'route', 'show', 'default'])));
  const known = links.map(({ name, mtu, kind }) => ({ name, mtu, virtual: kind !== undefined || name === 'lo' }));
  return underlayMtu({ defaultRoutes: defaults, links: known });
}

/** The WireGuard interface behind the link. @throws {ForeignLink} when it is another kind of interface */
export async function observeDevice(
  { commands, wireguard }: Pick<Eyes, 'commands' | 'wireguard'>,
  link: Link,
): Promise<ObservedDevice> {
  const { name, ifindex, mtu, up } = link;
  const dataplane = dataplaneOf(link);
  const [addresses, served] = await Promise.all([
    commands.run(['ip', '-json', 'address', 'show', 'dev', name]),
    wireguard.dump(name),
  ]);
  const common = { name, ifindex, dataplane, up, mtu, addresses: parseHostAddresses(addresses) };
  return served === undefined
    ? { ...common, stopped: true, listenPort: 0, peers: new Map() }
    : { ...common, ...served };
}

function dataplaneOf({ name, kind }: Link): ObservedDevice['dataplane'] {
  if (kind === 'wireguard') return 'Kernel';
  if (kind === 'tun') return 'Userspace';
  throw new ForeignLink(name, kind ?? 'hardware');
}

/** Our routes through these interfaces. */
export async function observeRoutes(
  { commands }: Pick<Eyes, 'commands'>,
  devices: readonly string[],
  ipv6: boolean,
): Promise<readonly Route[]> {
  const found: Route[] = [];
  for (const family of families(ipv6)) {
    const words = ['route', 'show', 'table', 'main', 'protocol', String(ROUTE_PROTOCOL)];
    const all = parseMainRoutes(await commands.run(['ip', '-json', `-${family}`, ...words]), family);
    found.push(...all.filter(({ device }) => devices.includes(device)));
  }
  return found;
}

function families(ipv6: boolean): readonly Family[] {
  return ipv6 ? [4, 6] : [4];
}

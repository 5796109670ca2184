import { parseAddress } from '../../net/address.ts';
import { type Cidr, compareCidrs, hostCidr } from '../../net/cidr.ts';
import { intField, isObject, type JsonObject, jsonList, jsonObject, jsonObjects, textField } from '../json.ts';
import type { Underlay } from '../local-facts.ts';

/** A network interface as `ip -json -details link show` tells it. */
export interface Link {
  readonly name: string;
  readonly ifindex: number;
  readonly mtu: number;
  readonly up: boolean;
  /** Such as `wireguard`, `tun` or `veth`; undefined for hardware. */
  readonly kind?: string | undefined;
}

const IP_LINK = 'ip -json link';
const IP_ADDRESS = 'ip -json address';
const IP_ROUTE = 'ip -json route';

/** @throws {UnreadableOutput} when the text is not that command's output. */
export function parseLinks(text: string): readonly Link[] {
  return jsonObjects(IP_LINK, text).map((link) => ({
    name: textField(IP_LINK, link, 'ifname'),
    ifindex: intField(IP_LINK, link, 'ifindex'),
    mtu: intField(IP_LINK, link, 'mtu'),
    up: jsonList(IP_LINK, link.flags).includes('UP'),
    kind: linkKind(link),
  }));
}

/** The addresses of a device as `ip -json address show` lists them, host prefixes of global scope only, sorted. @throws {UnreadableOutput} */
export function parseHostAddresses(text: string): readonly Cidr[] {
  const found = jsonObjects(IP_ADDRESS, text).flatMap((device) =>
    jsonList(IP_ADDRESS, device.addr_info).flatMap((entry) => hostAddress(jsonObject(IP_ADDRESS, entry))),
  );
  return found.sort(compareCidrs);
}

/** Default routes of `ip -json route show default`, the preferred first. @throws {UnreadableOutput} */
export function parseDefaultRoutes(text: string): Underlay['defaultRoutes'] {
  const routes = jsonObjects(IP_ROUTE, text).flatMap((route) => {
    const metric = typeof route.metric === 'number' ? route.metric : 0;
    const devices = [route, ...jsonList(IP_ROUTE, route.nexthops).map((hop) => jsonObject(IP_ROUTE, hop))];
    return devices.flatMap(({ dev }) =>
      typeof dev === 'string' ? [{ device: dev, mtu: routeMtu(route), metric }] : [],
    );
  });
  return routes.sort((one, other) => one.metric - other.metric).map(({ device, mtu }) => ({ device, mtu }));
}

function linkKind(link: JsonObject): string | undefined {
  const kind = isObject(link.linkinfo) ? link.linkinfo.info_kind : undefined;
  return typeof kind === 'string' ? kind : undefined;
}

function hostAddress(entry: JsonObject): readonly Cidr[] {
  if (entry.scope !== 'global') return [];
  const address = parseAddress(textField(IP_ADDRESS, entry, 'local'));
  if (!address.ok) return [];
  const cidr = hostCidr(address.value);
  return cidr.endsWith(`/${intField(IP_ADDRESS, entry, 'prefixlen')}`) ? [cidr] : [];
}

function routeMtu(route: JsonObject): number | undefined {
  const metrics = jsonList(IP_ROUTE, route.metrics).filter(isObject);
  return metrics.map(({ mtu }) => mtu).find((mtu) => typeof mtu === 'number');
}

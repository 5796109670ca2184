import { jsonObjects } from '../../dataplane/json.ts';
import { parseHostAddresses, parseLinks } from '../../dataplane/link/parse.ts';
import { parseMainRoutes } from '../../dataplane/routes/parse.ts';
import { parseDump } from '../../dataplane/wireguard/parse.ts';
import type { Commands } from '../../host/exec.ts';
import { failedSaying } from '../../host/exec-error.ts';
import type { DeviceFinding, DeviceKeys, Look, RoutingFinding } from '../../laptop/doctor/findings.ts';
import type { IpAddress } from '../../net/address.ts';
import { addressFamily } from '../../net/address.ts';
import { fullTunnelsHere } from '../tunnel/full-ways.ts';
import { looked, messageOf } from './looked.ts';

const WITHOUT_ROOT = 'its keys are seen by root alone (sudo sallyport doctor)';
const NOT_PERMITTED = /Operation not permitted|Permission denied/;
const NOT_SERVED =
  /Protocol not supported|Operation not supported|No such device|No such file or directory|Cannot find device/;

/** The tunnel's interface on this Linux machine; undefined when it is not there. */
export function lookAtDevice(commands: Commands, device: string): Promise<Look<DeviceFinding | undefined>> {
  return looked(async () => {
    const link = parseLinks(await commands.run(['ip', '-json', '-details', 'link', 'show'])).find(
      ({ name }) => name === device,
    );
    if (link === undefined) return undefined;
    const [addresses, keys] = await Promise.all([
      commands.run(['ip', '-json', 'address', 'show', 'dev', device]),
      lookAtKeys(commands, device),
    ]);
    const { kind, up, mtu } = link;
    return { kind, up, mtu, addresses: parseHostAddresses(addresses), keys };
  }, unseenHere);
}

/** Where this machine sends packets, those to `needed` above all. */
export function lookAtRouting(commands: Commands, needed: readonly IpAddress[]): Promise<Look<RoutingFinding>> {
  return looked(async () => {
    const [four, six, ways] = await Promise.all([
      commands.run(['ip', '-json', '-4', 'route', 'show']),
      commands.run(['ip', '-json', '-6', 'route', 'show']).catch(() => '[]'),
      Promise.all(needed.map(async (address) => [address, await wayTo(commands, address)] as const)),
    ]);
    return { routes: [...parseMainRoutes(four, 4), ...parseMainRoutes(six, 6)], ways: new Map(ways) };
  }, unseenHere);
}

/** Whether the firewall rules of a full tunnel are there. */
export function lookAtGuard(commands: Commands, device: string): Promise<Look<boolean>> {
  return looked(
    async () => (await fullTunnelsHere(commands)).includes(device),
    (error) =>
      failedSaying(error, NOT_PERMITTED)
        ? 'its firewall rules are seen by root alone (sudo sallyport doctor)'
        : messageOf(error),
  );
}

/** By which interface packets to the address leave, UDP to a port where one is given; undefined when they do not. */
export async function wayTo(commands: Commands, address: IpAddress, port?: number): Promise<string | undefined> {
  const udp = port === undefined ? [] : ['ipproto', 'udp', 'dport', String(port)];
  try {
    const [route] = jsonObjects(
      'ip -json route',
      await commands.run(['ip', '-json', `-${addressFamily(address)}`, 'route', 'get', address, ...udp]),
    );
    return typeof route?.dev === 'string' ? route.dev : undefined;
  } catch (error) {
    if (failedSaying(error, /unreachable|RTNETLINK answers/i)) return undefined;
    throw error;
  }
}

async function lookAtKeys(commands: Commands, device: string): Promise<Look<DeviceKeys | undefined>> {
  try {
    const { publicKey, peers } = parseDump(await commands.run(['wg', 'show', device, 'dump']), () => '');
    return { kind: 'seen', value: { own: publicKey, gateways: [...peers.keys()] } };
  } catch (error) {
    if (failedSaying(error, NOT_PERMITTED)) return { kind: 'unseen', why: WITHOUT_ROOT };
    if (failedSaying(error, NOT_SERVED)) return { kind: 'seen', value: undefined };
    return { kind: 'unseen', why: messageOf(error) };
  }
}

function unseenHere(error: unknown): string {
  return process.platform === 'linux' ? messageOf(error) : 'interfaces and routes are looked at on Linux only';
}

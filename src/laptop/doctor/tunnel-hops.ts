import { type Cidr, cidrLength, cidrsOverlap, hostCidr } from '../../net/cidr.ts';
import type { PublicKey } from '../../net/key.ts';
import { gatewayAddresses, tunnelOf } from '../tunnel.ts';
import type { DeviceFinding, FilesFinding, Findings, RouteFinding } from './findings.ts';
import { broken, type HopKind, type Judgement, NOT_REACHED, ok, unknown } from './hop.ts';
import { seen } from './seen.ts';

type Read = Extract<FilesFinding, { readonly kind: 'read' }>;

/** The process that holds the tunnel up runs. */
export const supervisor: HopKind = {
  name: 'supervisor',
  judge({ supervisor: found, files, name }) {
    if (files.kind === 'unusable') return NOT_REACHED;
    if (found.kind === 'none')
      return broken('the tunnel is down: no supervisor runs for this profile', `sallyport up ${name}`);
    if (found.kind === 'mute') return broken(`the supervisor does not tell how it is: ${found.problem}`, again(name));
    return ok(`it runs as process ${found.pid}`);
  },
};

/** The interface is there, is up, and has the keys of the profile. */
export const device: HopKind = {
  name: 'interface',
  judge({ device: look, files, name }) {
    if (files.kind === 'unusable' || look === undefined) return NOT_REACHED;
    if (look.kind === 'unseen') return unknown(look.why);
    const { device: wanted } = files.profile;
    const found = look.value;
    if (found === undefined) return broken(`the interface ${wanted} is not there`, again(name));
    if (found.kind !== 'wireguard' && found.kind !== 'tun')
      return broken(
        `the interface ${wanted} is ${found.kind === undefined ? 'hardware' : `of type ${found.kind}`}, not WireGuard: it is another program's`,
        `sudo ip link set dev ${wanted} down && sudo ip link set dev ${wanted} name OTHER-NAME && sallyport up ${name}`,
      );
    if (!found.up) return broken(`the interface ${wanted} is switched off`, again(name));
    return keysOf(found, files, name);
  },
};

function keysOf({ keys, mtu }: DeviceFinding, files: Read, name: string): Judgement {
  const { profile, configuration, key } = files;
  const what = `${profile.device} is up with an MTU of ${mtu}`;
  if (keys.kind === 'unseen') return ok(`${what}; ${keys.why}`);
  if (keys.value === undefined)
    return broken(`nobody serves the interface ${profile.device}: wireguard-go has ended`, again(name));
  const { own, gateways } = keys.value;
  if (key.kind === 'read' && own !== key.publicKey)
    return broken(`the interface ${profile.device} has another private key than the profile`, again(name));
  const missing = configuration.gateways.find(({ publicKey }) => !gateways.includes(publicKey));
  if (missing !== undefined)
    return broken(
      `the interface ${profile.device} does not know gateway ${missing.name} (${missing.publicKey})`,
      again(name),
    );
  return ok(`${what} and has the keys of the profile`);
}

/** The interface has the device's mesh addresses. */
export const addresses: HopKind = {
  name: 'addresses',
  judge({ device: look, files, name }) {
    const found = seen(look);
    if (files.kind === 'unusable' || found === undefined) return unseenOr(look);
    const wanted = files.configuration.addresses.map(hostCidr);
    const missing = wanted.filter((address) => !found.addresses.includes(address));
    if (missing.length > 0)
      return broken(`the interface ${files.profile.device} lacks the address ${missing.join(', ')}`, again(name));
    return ok(wanted.join(', '));
  },
};

/** What the tunnel leads to is routed into it. */
export const routes: HopKind = {
  name: 'routes',
  judge(findings) {
    const { routing: look, device: link, files, name } = findings;
    const found = seen(look);
    if (files.kind === 'unusable' || seen(link) === undefined || found === undefined) return unseenOr(look);
    const { device: own } = files.profile;
    const there = found.routes.filter((route) => route.device === own).map(({ destination }) => destination);
    const wanted = wantedRoutes(files);
    const missing = wanted.filter((cidr) => !there.includes(cidr));
    if (missing.length > 0) return broken(`no route leads ${missing.join(', ')} into ${own}`, again(name));
    return ok(`${wanted.join(', ')} lead into ${own}`);
  },
};

/** No other program's route takes the tunnel's packets, and the tunnel does not take its own. */
export const conflicts: HopKind = {
  name: 'other routes',
  judge(findings) {
    const { routing: look, device: link, files } = findings;
    const found = seen(look);
    if (files.kind === 'unusable' || seen(link) === undefined || found === undefined) return unseenOr(look);
    const { device: own } = files.profile;
    const wanted = wantedRoutes(files);
    const shadow = found.routes.find((route) => route.device !== own && takesFrom(route, wanted));
    if (shadow !== undefined) return shadowed(shadow, wanted, own);
    const needed = [...gatewayAddresses(files.configuration), ...(files.configuration.dns?.servers ?? [])];
    const led = needed.find((address) => found.ways.has(address) && found.ways.get(address) !== own);
    if (led !== undefined)
      return broken(
        `packets to ${led} leave by ${found.ways.get(led) ?? 'no interface at all'} instead of ${own}: another VPN's rule comes first`,
        `take that VPN down, or have it leave ${led} alone; see: ip rule show && ip route get ${led}`,
      );
    return looping(findings, own) ?? ok('no other program takes packets of the tunnel');
  },
};

function looping({ endpoints }: Findings, own: string): Judgement | undefined {
  const caught = endpoints?.find(({ device: way }) => way === own);
  if (caught === undefined) return undefined;
  return broken(
    `the endpoint ${caught.endpoint} is itself routed into ${own}, so the tunnel would carry its own packets`,
    `have the range that holds ${caught.address} taken out of spec.advertise.cidrs of MeshGateway ${caught.gateway}: kubectl edit meshgateway ${caught.gateway}`,
  );
}

function shadowed({ destination, device: other }: RouteFinding, wanted: readonly Cidr[], own: string): Judgement {
  const mine = wanted.find((cidr) => cidrsOverlap(cidr, destination));
  return broken(
    `${destination} goes to ${other}, another program's, instead of ${own}, so what the cluster has there in ${mine} is not reached`,
    `where ${other} is another VPN, take it down; where it is your own network, the cluster has to use another range than ${mine}; see: ip route show dev ${other}`,
  );
}

/** Of two routes to the same prefix the kernel takes that of the lower metric, and ours has none to lose. */
function takesFrom({ destination }: RouteFinding, wanted: readonly Cidr[]): boolean {
  return wanted.some((cidr) => cidrsOverlap(cidr, destination) && cidrLength(destination) >= cidrLength(cidr));
}

function wantedRoutes({ profile: { device: own }, configuration, key }: Read): readonly Cidr[] {
  const publicKey = key.kind === 'read' ? key.publicKey : ('' as PublicKey);
  return tunnelOf(configuration, { device: own, publicKey, privateKeyFile: '' }).routes;
}

function unseenOr(look: Findings['device'] | Findings['routing']): Judgement {
  return look?.kind === 'unseen' ? unknown(look.why) : NOT_REACHED;
}

function again(name: string): string {
  return `sallyport down ${name} && sallyport up ${name}`;
}

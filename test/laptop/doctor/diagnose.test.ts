import { describe, expect, test } from 'vitest';
import { diagnose, HOPS } from '../../../src/laptop/doctor/diagnose.ts';
import type { Findings, RoutingFinding } from '../../../src/laptop/doctor/findings.ts';
import { PUBLIC } from '../../../src/laptop/doctor/full-hop.ts';
import { EVERYTHING } from '../../../src/mesh/client-configuration.ts';
import { wgQuick } from '../../../src/mesh/wg-quick.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import type { PublicKey } from '../../../src/net/key.ts';
import { aCondition, aKey, NOW } from '../../support/builders.ts';
import { aClientConfiguration, aClientGateway } from '../../support/client-configurations.ts';
import {
  aDevice,
  anEndpoint,
  aSupervisor,
  found,
  healthy,
  hidden,
  OWN_KEY,
  someFiles,
  someInside,
  theCluster,
  theGateway,
  thePeer,
} from './findings.ts';

/** A situation, the hop that doctor must name, and what its sentence and its remedy must say. */
interface Situation {
  readonly what: string;
  readonly findings: Partial<Findings>;
  readonly hop: string;
  readonly why: RegExp;
  readonly mend: RegExp;
}

const silent = [anEndpoint({ kind: 'silent' })];
const nothingInside = someInside({
  gateways: [
    { gateway: 'default', address: '10.213.0.1' as IpAddress, reached: { kind: 'silent' }, http: undefined, news: [] },
  ],
  largest: undefined,
  dns: [{ server: '10.96.0.10' as IpAddress, answer: { kind: 'silent' } }],
  names: { name: 'kubernetes.default.svc.cluster.local', answer: { kind: 'not-found', code: 'EAI_AGAIN' } },
  kubernetes: undefined,
});
const down = { supervisor: { kind: 'none' }, device: found(undefined), inside: undefined } as const;
const dnsSays = (rcode: number) =>
  someInside({ dns: [{ server: '10.96.0.10' as IpAddress, answer: { kind: 'answered', rcode, addresses: [] } }] });
const notFound = {
  name: 'kubernetes.default.svc.cluster.local',
  answer: { kind: 'not-found', code: 'ENOTFOUND' },
} as const;
const hello = { name: 'hello.demo', port: 80 };
const address = '10.96.7.7' as IpAddress;
const itsDns = { kind: 'answered', rcode: 0, addresses: [address] } as const;
function withConfigOf(gatewayKey: PublicKey) {
  const gateways = [aClientGateway({ publicKey: gatewayKey })];
  const peer = thePeer();
  return { ...peer, status: { ...peer.status, config: wgQuick(aClientConfiguration({ gateways })) } };
}
const withProfile = (over: object) => someFiles({ profile: { ...someFiles().profile, ...over } });

/** A full tunnel whose packets go where they should, unless something else is said. */
function fullTunnel(over: Partial<RoutingFinding> = {}, internet: readonly Cidr[] = EVERYTHING): Partial<Findings> {
  const ways = new Map(PUBLIC.map((address) => [address, 'sp-lab']));
  return {
    supervisor: aSupervisor({ full: true }),
    files: someFiles({ configuration: aClientConfiguration({ gateways: [aClientGateway({ internet })] }) }),
    routing: found({ routes: routesOf(healthy()), ways, guarded: found(true), ...over }),
  };
}

const SITUATIONS: readonly Situation[] = [
  {
    what: 'the clock was put back an hour',
    findings: {
      clock: found({ against: 'the API server', aheadMs: -3_600_000 }),
      endpoints: silent,
      inside: nothingInside,
    },
    hop: 'clock',
    why: /60 min behind/,
    mend: /timedatectl/,
  },
  {
    what: 'the profile is unreadable',
    findings: {
      files: { kind: 'unusable', folder: '/profiles/lab', problem: 'profile.json: it: unreadable' },
      ...down,
      endpoints: undefined,
    },
    hop: 'profile',
    why: /unreadable/,
    mend: /^rm -r \/profiles\/lab && sallyport join --profile lab$/,
  },
  {
    what: 'the private key is gone',
    findings: { files: someFiles({ key: { kind: 'absent' } }), endpoints: undefined },
    hop: 'key',
    why: /no private key/,
    mend: /^kubectl delete meshpeer -n team-a ada && sallyport leave lab --local && sallyport join --profile lab$/,
  },
  {
    what: 'the private key is garbage',
    findings: { files: someFiles({ key: { kind: 'unusable', problem: 'not base64' } }), endpoints: undefined },
    hop: 'key',
    why: /not base64/,
    mend: /sallyport join/,
  },
  {
    what: 'everybody may read the private key',
    findings: {
      files: someFiles({ key: { kind: 'read', file: '/profiles/private.key', mode: 0o644, publicKey: OWN_KEY } }),
    },
    hop: 'key',
    why: /mode 0644/,
    mend: /^chmod 600 \/profiles\/private\.key$/,
  },
  {
    what: 'the preshared key is missing',
    findings: { files: someFiles({ configuration: aClientConfiguration({ hasPresharedKey: true }) }) },
    hop: 'key',
    why: /preshared/,
    mend: /--preshared-key/,
  },
  {
    what: 'the cluster has another key',
    findings: { cluster: theCluster({ peer: found(thePeer({ publicKey: aKey('eve') })) }) },
    hop: 'key',
    why: /another key/,
    mend: /sallyport join/,
  },
  {
    what: 'a rotation did not come to its end',
    findings: {
      files: someFiles({ otherPublicKey: aKey('next') }),
      cluster: theCluster({ peer: found(thePeer({ publicKey: aKey('next') })) }),
    },
    hop: 'key',
    why: /rotation/,
    mend: /^sallyport rotate lab$/,
  },
  {
    what: 'its time is over',
    findings: {
      files: withProfile({ expiresAt: new Date(NOW - 7_200_000).toISOString() }),
      endpoints: silent,
      inside: nothingInside,
    },
    hop: 'expiry',
    why: /2 h ago/,
    mend: /--expires/,
  },
  { what: 'the tunnel is down', findings: down, hop: 'supervisor', why: /down/, mend: /^sallyport up lab$/ },
  {
    what: 'the supervisor hangs',
    findings: { supervisor: { kind: 'mute', problem: 'it does not answer' } },
    hop: 'supervisor',
    why: /does not answer/,
    mend: /down lab && sallyport up lab/,
  },
  {
    what: 'somebody removed the interface',
    findings: { device: found(undefined), inside: undefined },
    hop: 'interface',
    why: /not there/,
    mend: /sallyport up lab/,
  },
  {
    what: 'somebody switched the interface off',
    findings: { device: found(aDevice({ up: false })), inside: undefined },
    hop: 'interface',
    why: /switched off/,
    mend: /sallyport up lab/,
  },
  {
    what: 'the interface is another program’s',
    findings: { device: found(aDevice({ kind: 'bridge' })), inside: undefined },
    hop: 'interface',
    why: /bridge/,
    mend: /OTHER-NAME/,
  },
  {
    what: 'wireguard-go has ended',
    findings: { device: found(aDevice({ kind: 'tun', keys: found(undefined) })), inside: nothingInside },
    hop: 'interface',
    why: /wireguard-go/,
    mend: /sallyport up lab/,
  },
  {
    what: 'the interface has another key',
    findings: { device: found(aDevice({ keys: found({ own: aKey('eve'), gateways: [] }) })), inside: nothingInside },
    hop: 'interface',
    why: /another private key/,
    mend: /sallyport up lab/,
  },
  {
    what: 'the interface does not know the gateway',
    findings: { device: found(aDevice({ keys: found({ own: OWN_KEY, gateways: [] }) })), inside: nothingInside },
    hop: 'interface',
    why: /gateway default/,
    mend: /sallyport up lab/,
  },
  {
    what: 'the address is gone',
    findings: { device: found(aDevice({ addresses: [] })), inside: nothingInside },
    hop: 'addresses',
    why: /10\.213\.0\.20\/32/,
    mend: /sallyport up lab/,
  },
  {
    what: 'a route is gone',
    findings: {
      routing: found({ routes: [{ destination: '10.213.0.1/32' as Cidr, device: 'sp-lab' }], ways: new Map() }),
      inside: nothingInside,
    },
    hop: 'routes',
    why: /10\.96\.0\.0\/12/,
    mend: /sallyport up lab/,
  },
  {
    what: 'another VPN has a more specific route',
    findings: {
      routing: found({
        routes: [...routesOf(healthy()), { destination: '10.96.0.0/16' as Cidr, device: 'tun0' }],
        ways: new Map(),
      }),
      inside: nothingInside,
    },
    hop: 'other routes',
    why: /10\.96\.0\.0\/16 goes to tun0/,
    mend: /^where tun0 is another VPN, take it down; .* another range than 10\.96\.0\.0\/12/,
  },
  {
    what: "another VPN's rule comes first",
    findings: {
      routing: found({ routes: routesOf(healthy()), ways: new Map([['10.96.0.10' as IpAddress, 'wg0']]) }),
      inside: nothingInside,
    },
    hop: 'other routes',
    why: /10\.96\.0\.10 leave by wg0/,
    mend: /ip rule show/,
  },
  {
    what: 'something goes beside a full tunnel',
    findings: fullTunnel({ ways: new Map([['1.1.1.1' as IpAddress, 'eth0']]) }),
    hop: 'full tunnel',
    why: /1\.1\.1\.1 leave by eth0, beside the tunnel/,
    mend: /^sallyport down lab && sallyport up lab --full$/,
  },
  {
    what: 'nothing leads into a full tunnel',
    findings: fullTunnel({ ways: new Map([['1.1.1.1' as IpAddress, 'sp-lab']]) }),
    hop: 'full tunnel',
    why: /no way leads to 2606:4700:4700::1111/,
    mend: /up lab --full$/,
  },
  {
    what: 'the firewall rules of a full tunnel are gone',
    findings: fullTunnel({ guarded: found(false) }),
    hop: 'full tunnel',
    why: /questions for names may leave/,
    mend: /up lab --full$/,
  },
  {
    what: 'the gateway takes no full tunnel any more',
    findings: fullTunnel({ ways: new Map() }, []),
    hop: 'full tunnel',
    why: /takes no full tunnel any more/,
    mend: /spec\.advertise\.internet/,
  },
  {
    what: 'the DNS server of the cluster asks nobody else, under a full tunnel',
    findings: {
      ...fullTunnel(),
      inside: someInside({ outside: { name: 'example.com', answer: { kind: 'not-found', code: 'ENOTFOUND' } } }),
    },
    hop: 'names',
    why: /of the internet none \(example\.com: ENOTFOUND\)/,
    mend: /forward other names: kubectl edit configmap -n kube-system coredns/,
  },
  {
    what: 'the endpoint is routed into the tunnel',
    findings: { endpoints: [anEndpoint({ kind: 'silent' }, { device: 'sp-lab' })], inside: nothingInside },
    hop: 'other routes',
    why: /its own packets/,
    mend: /spec\.advertise\.cidrs/,
  },
  {
    what: 'the name of the endpoint is not found',
    findings: {
      endpoints: [
        anEndpoint(
          { kind: 'unresolved', code: 'ENOTFOUND' },
          { endpoint: 'gw.example.com:51840' as never, address: undefined },
        ),
      ],
      inside: nothingInside,
    },
    hop: 'endpoint',
    why: /gw\.example\.com/,
    mend: /getent hosts gw\.example\.com/,
  },
  {
    what: 'the MeshPeer was deleted',
    findings: { cluster: theCluster({ peer: found(undefined) }), endpoints: silent, inside: nothingInside },
    hop: 'acceptance',
    why: /no MeshPeer team-a\/ada/,
    mend: /sallyport join --profile lab/,
  },
  {
    what: 'the MeshPeer is suspended',
    findings: {
      cluster: theCluster({
        peer: found(
          thePeer({ suspended: true }, [
            aCondition('Accepted', 'False', { reason: 'Suspended', message: 'It is suspended.' }),
          ]),
        ),
      }),
      endpoints: silent,
      inside: nothingInside,
    },
    hop: 'acceptance',
    why: /suspended/,
    mend: /kubectl patch meshpeer -n team-a ada .*"suspended":false/,
  },
  {
    what: 'no gateway admits the namespace',
    findings: {
      cluster: theCluster({
        peer: found(
          thePeer({}, [
            aCondition('Accepted', 'False', { reason: 'NamespaceNotAdmitted', message: 'No gateway admits it.' }),
          ]),
        ),
      }),
      endpoints: silent,
      inside: nothingInside,
    },
    hop: 'acceptance',
    why: /No gateway admits it/,
    mend: /kubectl describe meshpeer -n team-a ada/,
  },
  {
    what: 'no node knows the device yet',
    findings: {
      cluster: theCluster({
        peer: found(thePeer({}, [aCondition('Programmed', 'False', { message: 'No node has it.' })])),
      }),
      endpoints: silent,
      inside: nothingInside,
    },
    hop: 'acceptance',
    why: /No node has it/,
    mend: /kubectl describe/,
  },
  {
    what: 'the gateway was deleted',
    findings: { cluster: theCluster({ gateways: found([]) }), endpoints: silent, inside: nothingInside },
    hop: 'gateway',
    why: /no MeshGateway default/,
    mend: /sallyport join/,
  },
  {
    what: 'the gateway has another key',
    findings: {
      cluster: theCluster({ gateways: found([theGateway({ publicKey: aKey('new') })]) }),
      endpoints: silent,
      inside: nothingInside,
    },
    hop: 'gateway',
    why: /another key/,
    mend: /sallyport down lab && sallyport join --profile lab/,
  },
  {
    what: 'the gateway is not Ready',
    findings: {
      cluster: theCluster({
        gateways: found([theGateway({ conditions: [aCondition('Ready', 'False', { message: 'No node runs.' })] })]),
      }),
      endpoints: silent,
      inside: nothingInside,
    },
    hop: 'gateway',
    why: /No node runs/,
    mend: /kubectl describe meshgateway default/,
  },
  {
    what: 'the gateway moved',
    findings: {
      cluster: theCluster({
        gateways: found([theGateway({ endpoints: [{ endpoint: '198.51.100.9:51840', source: 'Node' }] })]),
      }),
      endpoints: silent,
      inside: nothingInside,
    },
    hop: 'gateway',
    why: /198\.51\.100\.9:51840/,
    mend: /sallyport join/,
  },
  {
    what: 'UDP is dropped, as far as one sees without a kubeconfig',
    findings: { endpoints: silent, inside: nothingInside },
    hop: 'handshake',
    why: /UDP is dropped on the way, or/,
    mend: /--kubeconfig/,
  },
  {
    what: 'UDP is dropped while the cluster lets the device in',
    findings: { endpoints: silent, inside: nothingInside, cluster: theCluster() },
    hop: 'handshake',
    why: /lets this device in: UDP is dropped/,
    mend: /firewalls on the way/,
  },
  {
    what: 'the gateway got another key while the device was away, and only its own MeshPeer may be seen',
    findings: {
      endpoints: [anEndpoint({ kind: 'refused' })],
      inside: nothingInside,
      cluster: theCluster({ peer: found(withConfigOf(aKey('another'))), gateways: hidden('403 Forbidden') }),
    },
    hop: 'handshake',
    why: /gateway default has another key by now, and the one that this device knows has ended/,
    mend: /sallyport join/,
  },
  {
    what: 'the gateway has another key, and the one that the device knows still holds',
    findings: {
      endpoints: silent,
      inside: nothingInside,
      cluster: theCluster({
        gateways: found([
          theGateway({
            publicKey: aKey('another'),
            keys: [
              {
                publicKey: aClientGateway().publicKey,
                state: 'Former',
                slot: 1,
                listenPort: 51840,
                interface: 'wg-default',
                until: '2026-08-08T12:00:00Z',
              },
            ],
          }),
        ]),
      }),
    },
    hop: 'gateway',
    why: /has another key by now, .*, and the one that this device knows ends at 2026-08-08T12:00:00Z/,
    mend: /sallyport join/,
  },
  {
    what: 'nothing listens at the endpoint',
    findings: { endpoints: [anEndpoint({ kind: 'refused' })], inside: nothingInside },
    hop: 'handshake',
    why: /nothing listens on UDP at 192\.0\.2\.11:51840/,
    mend: /meshgatewaynodes/,
  },
  {
    what: 'this machine’s firewall stops UDP',
    findings: { endpoints: [anEndpoint({ kind: 'blocked' })], inside: nothingInside },
    hop: 'handshake',
    why: /own firewall/,
    mend: /nft list ruleset/,
  },
  {
    what: 'this machine has no network',
    findings: { endpoints: [anEndpoint({ kind: 'unreachable', code: 'ENETUNREACH' })], inside: nothingInside },
    hop: 'handshake',
    why: /no way/,
    mend: /ip route get 192\.0\.2\.11/,
  },
  {
    what: 'the tunnel carries nothing though handshakes are answered',
    findings: { inside: nothingInside },
    hop: 'mesh address',
    why: /10\.213\.0\.1/,
    mend: /sallyport up lab/,
  },
  {
    what: 'large packets are lost',
    findings: { inside: someInside({ largest: found({ tried: 1420, passed: 1360 }) }) },
    hop: 'mtu',
    why: /1420 bytes are lost .* 1360/,
    mend: /ip link set dev sp-lab mtu 1360/,
  },
  {
    what: 'the cluster’s DNS server is silent',
    findings: {
      inside: someInside({
        dns: [{ server: '10.96.0.10' as IpAddress, answer: { kind: 'silent' } }],
        kubernetes: undefined,
        names: notFound,
      }),
    },
    hop: 'cluster dns',
    why: /10\.96\.0\.10 does not answer/,
    mend: /k8s-app=kube-dns/,
  },
  {
    what: 'the cluster’s DNS has no endpoint',
    findings: {
      inside: someInside({
        dns: [{ server: '10.96.0.10' as IpAddress, answer: { kind: 'refused' } }],
        kubernetes: undefined,
      }),
    },
    hop: 'cluster dns',
    why: /no endpoint/,
    mend: /kube-dns/,
  },
  {
    what: 'the domain is another one',
    findings: { inside: dnsSays(3) },
    hop: 'cluster dns',
    why: /NXDOMAIN about kubernetes\.default/,
    mend: /spec\.dns/,
  },
  {
    what: 'names were not set up',
    findings: { supervisor: aSupervisor({ names: undefined }), inside: someInside({ names: notFound }) },
    hop: 'names',
    why: /not set up/,
    mend: /sallyport up lab/,
  },
  {
    what: 'names could not be set up',
    findings: {
      supervisor: aSupervisor({ names: undefined, notices: ['names are not set up: resolvectl is missing'] }),
      inside: someInside({ names: notFound }),
    },
    hop: 'names',
    why: /names are not set up: resolvectl is missing/,
    mend: /sallyport up lab/,
  },
  {
    what: 'somebody rewrote resolv.conf',
    findings: { inside: someInside({ names: notFound }) },
    hop: 'names',
    why: /though names were set up by systemd-resolved/,
    mend: /sallyport up lab/,
  },
  {
    what: 'Services do not answer',
    findings: {
      inside: someInside({ kubernetes: { address: '10.96.0.1' as IpAddress, reached: { kind: 'silent' } } }),
    },
    hop: 'services',
    why: /does not answer/,
    mend: /meshgatewaynodes/,
  },
  {
    what: 'Services are refused',
    findings: {
      inside: someInside({ kubernetes: { address: '10.96.0.1' as IpAddress, reached: { kind: 'refused' } } }),
    },
    hop: 'services',
    why: /refuses/,
    mend: /spec\.access/,
  },
  {
    what: 'the service range is not advertised',
    findings: {
      inside: someInside({ kubernetes: { address: '172.20.0.1' as IpAddress, reached: { kind: 'silent' } } }),
    },
    hop: 'services',
    why: /none of the ranges/,
    mend: /spec\.advertise\.services/,
  },
  {
    what: 'the Service is not there',
    findings: {
      inside: someInside({
        service: {
          ...hello,
          dns: { kind: 'answered', rcode: 3, addresses: [] },
          address: undefined,
          reached: undefined,
        },
      }),
    },
    hop: 'service',
    why: /no Service hello\.demo/,
    mend: /kubectl get services -n demo/,
  },
  {
    what: 'the Service has no endpoint',
    findings: { inside: someInside({ service: { ...hello, dns: itsDns, address, reached: { kind: 'refused' } } }) },
    hop: 'service',
    why: /no ready endpoint/,
    mend: /endpointslices -n demo/,
  },
  {
    what: 'the Service is not granted, as the cluster tells',
    findings: {
      cluster: theCluster({
        access: found([
          { gateway: 'office', isAllowed: true, because: 'Granted.', objects: [] },
          { gateway: 'default', isAllowed: false, because: 'Denied by policy: ask.', objects: [] },
        ]),
      }),
      inside: someInside({ service: { ...hello, dns: itsDns, address, reached: { kind: 'refused' } } }),
    },
    hop: 'service',
    why: /is refused\. Denied by policy: ask$/,
    mend: /^ask the owner of namespace demo .* sallyport access explain team-a\/ada hello\.demo:80$/,
  },
  {
    what: 'the Service is refused, and the gateways deny by default',
    findings: {
      files: someFiles({
        configuration: aClientConfiguration({ gateways: [aClientGateway({ deniesByDefault: true })] }),
      }),
      inside: someInside({ service: { ...hello, dns: itsDns, address, reached: { kind: 'refused' } } }),
    },
    hop: 'service',
    why: /deny by default/,
    mend: /ask the owner of namespace demo for a MeshAccess/,
  },
  {
    what: 'the Service is refused, and the cluster says that the gateways deny, of which the profile has not heard',
    findings: {
      cluster: theCluster({ gateways: found([theGateway({}, { access: { default: 'Deny' } })]) }),
      inside: someInside({ service: { ...hello, dns: itsDns, address, reached: { kind: 'refused' } } }),
    },
    hop: 'service',
    why: /deny by default/,
    mend: /ask the owner of namespace demo/,
  },
  {
    what: 'the Service is refused, and a gateway denies that does not lead there',
    findings: {
      files: someFiles({
        configuration: aClientConfiguration({
          gateways: [
            aClientGateway({ allowedIPs: ['10.96.0.0/12'] as Cidr[] }),
            aClientGateway({ name: 'shut', allowedIPs: ['10.213.0.1/32'] as Cidr[], deniesByDefault: true }),
          ],
        }),
      }),
      inside: someInside({ service: { ...hello, dns: itsDns, address, reached: { kind: 'refused' } } }),
    },
    hop: 'service',
    why: /no ready endpoint/,
    mend: /endpointslices/,
  },
  {
    what: 'the Service is granted and has no endpoint',
    findings: {
      cluster: theCluster({
        access: found([{ gateway: 'default', isAllowed: true, because: 'Granted.', objects: [] }]),
      }),
      inside: someInside({ service: { ...hello, dns: itsDns, address, reached: { kind: 'refused' } } }),
    },
    hop: 'service',
    why: /no ready endpoint/,
    mend: /endpointslices -n demo/,
  },
  {
    what: 'the Service is headless',
    findings: {
      inside: someInside({
        service: { ...hello, dns: itsDns, address: '10.244.0.9' as IpAddress, reached: { kind: 'silent' } },
      }),
    },
    hop: 'service',
    why: /headless/,
    mend: /kubectl get service -n demo hello/,
  },
];

function routesOf({ routing }: Findings) {
  return routing?.kind === 'seen' ? routing.value.routes : [];
}

describe('what is broken is named', () => {
  test.each(SITUATIONS)('$what: $hop', ({ findings, hop, why, mend }) => {
    const { verdict } = diagnose(healthy(findings));
    expect(verdict).toMatchObject({ hop, status: 'broken' });
    expect(verdict?.why).toMatch(why);
    expect(verdict?.mend).toMatch(mend);
  });

  test('a device of which nothing was seen is broken at its profile, and nothing after it was reached', () => {
    const nothing = { clock: hidden('no clock'), ...down, routing: undefined, endpoints: undefined };
    const { hops } = diagnose(
      healthy({ files: { kind: 'unusable', folder: '/profiles/lab', problem: 'unreadable' }, ...nothing }),
    );
    const after = hops.slice(hops.findIndex(({ hop }) => hop === 'profile') + 1).filter(({ hop }) => hop !== 'profile');
    expect(after.map(({ status, why }) => `${status} ${why}`)).toEqual(
      after.map(() => 'skipped not reached: first mend the profile'),
    );
  });

  test('every hop is broken in some situation', () => {
    const named = new Set(SITUATIONS.map(({ hop }) => hop));
    expect([...named].sort()).toEqual(HOPS.map(({ name }) => name).sort());
  });
});

describe('what works is not blamed', () => {
  const works: readonly (readonly [string, Partial<Findings>])[] = [
    ['everything, without a kubeconfig', {}],
    ['everything, with one', { cluster: theCluster() }],
    ['a kubeconfig that may read nothing', { cluster: theCluster({ peer: hidden('403'), gateways: hidden('403') }) }],
    ['a person who is not root', { device: found(aDevice({ keys: hidden('root alone sees them') })) }],
    ['a full tunnel', fullTunnel()],
    ['a full tunnel, seen by a person who is not root', fullTunnel({ guarded: hidden('root alone sees them') })],
    [
      'a full tunnel of one family',
      fullTunnel({ ways: new Map([['1.1.1.1' as IpAddress, 'sp-lab']]) }, EVERYTHING.slice(0, 1)),
    ],
    ['another system than Linux', { device: hidden('only on Linux'), routing: hidden('only on Linux') }],
    ['a clock that is ahead but only grows', { clock: found({ against: 'the API server', aheadMs: 3_600_000 }) }],
    ['an API server that is out of reach', { clock: hidden('it does not answer') }],
    [
      'one of two endpoints',
      { endpoints: [anEndpoint({ kind: 'silent' }), anEndpoint({ kind: 'answered', rttMs: 1 })] },
    ],
    [
      'a gateway that is not Ready but serves this device',
      { cluster: theCluster({ gateways: found([theGateway({ conditions: [aCondition('Ready', 'False')] })]) }) },
    ],
    ['a gateway that answers no pings', { inside: someInside({ largest: found({ tried: 1420, passed: undefined }) }) }],
    [
      'names that were not wished',
      { supervisor: aSupervisor({ names: undefined, leavesNames: true }), inside: someInside({ names: notFound }) },
    ],
    [
      'a gateway that lets devices reach DNS alone',
      {
        files: someFiles({
          configuration: aClientConfiguration({ gateways: [aClientGateway({ deniesByDefault: true })] }),
        }),
        inside: someInside({ kubernetes: { address: '10.96.0.1' as IpAddress, reached: { kind: 'refused' } } }),
      },
    ],
    [
      'the same, which the cluster says, and the profile has not heard',
      {
        cluster: theCluster({ gateways: found([theGateway({}, { access: { default: 'Deny' } })]) }),
        inside: someInside({ kubernetes: { address: '10.96.0.1' as IpAddress, reached: { kind: 'refused' } } }),
      },
    ],
    [
      'a wider route of another program',
      {
        routing: found({
          routes: [...routesOf(healthy()), { destination: '10.0.0.0/8' as Cidr, device: 'tun0' }],
          ways: new Map(),
        }),
      },
    ],
  ];

  test.each(works)('%s', (_what, findings) => {
    expect(diagnose(healthy(findings)).verdict).toBeUndefined();
  });

  test('what could not be seen is unknown', () => {
    const { hops } = diagnose(healthy({ clock: hidden('it does not answer'), routing: hidden('only on Linux') }));
    expect(hops.filter(({ status }) => status === 'unknown').map(({ hop }) => hop)).toEqual([
      'clock',
      'routes',
      'other routes',
    ]);
  });

  test('what nobody asked about is skipped', () => {
    const { hops } = diagnose(healthy());
    expect(hops.filter(({ status }) => status === 'skipped').map(({ hop }) => hop)).toEqual([
      'full tunnel',
      'gateway',
      'service',
    ]);
  });
});

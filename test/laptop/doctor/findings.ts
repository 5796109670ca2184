import type { Condition } from '../../../src/api/conditions.ts';
import { meshGatewayType } from '../../../src/api/meshgateway.ts';
import { type MeshPeer, meshPeerType } from '../../../src/api/meshpeer.ts';
import type {
  ClusterFinding,
  DeviceFinding,
  EndpointFinding,
  FilesFinding,
  Findings,
  InsideFinding,
  Look,
  SupervisorFinding,
} from '../../../src/laptop/doctor/findings.ts';
import { wgQuick } from '../../../src/mesh/wg-quick.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { aCondition, aKey, NOW } from '../../support/builders.ts';
import { aClientConfiguration, aClientGateway } from '../../support/client-configurations.ts';

export const OWN_KEY = aKey('ada');
type Read = Extract<FilesFinding, { readonly kind: 'read' }>;
type Running = Extract<SupervisorFinding, { readonly kind: 'running' }>;

export function found<T>(value: T): Look<T> {
  return { kind: 'seen', value };
}

export function hidden(why: string): Look<never> {
  return { kind: 'unseen', why };
}

/** The files of a profile as `join` leaves them. */
export function someFiles(over: Partial<Read> = {}): Read {
  return {
    kind: 'read',
    profile: {
      version: 1,
      name: 'lab',
      device: 'sp-lab',
      namespace: 'team-a',
      peer: 'ada',
      server: 'https://192.0.2.1:6443',
      joinedAt: '2026-07-31T00:00:00Z',
    },
    configuration: aClientConfiguration(),
    key: { kind: 'read', file: '/profiles/private.key', mode: 0o600, publicKey: OWN_KEY },
    otherPublicKey: undefined,
    hasPresharedKeyFile: false,
    ...over,
  };
}

export function aSupervisor(over: Partial<Running> = {}): Running {
  return {
    kind: 'running',
    pid: 4711,
    routes: ['10.96.0.0/12', '10.213.0.1/32'],
    full: false,
    names: 'systemd-resolved',
    notices: [],
    leavesNames: false,
    ...over,
  };
}

export function aDevice(over: Partial<DeviceFinding> = {}): DeviceFinding {
  return {
    kind: 'wireguard',
    up: true,
    mtu: 1420,
    addresses: ['10.213.0.20/32'] as Cidr[],
    keys: found({ own: OWN_KEY, gateways: [aClientGateway().publicKey] }),
    ...over,
  };
}

export function anEndpoint(outcome: EndpointFinding['outcome'], over: Partial<EndpointFinding> = {}): EndpointFinding {
  return {
    gateway: 'default',
    endpoint: '192.0.2.11:51840' as Endpoint,
    address: '192.0.2.11' as IpAddress,
    device: 'eth0',
    outcome,
    ...over,
  };
}

export function someInside(over: Partial<InsideFinding> = {}): InsideFinding {
  const address = '10.96.0.1' as IpAddress;
  return {
    gateways: [
      {
        gateway: 'default',
        address: '10.213.0.1' as IpAddress,
        reached: { kind: 'connected', ms: 1 },
        http: { status: 200, text: '' },
        news: [],
      },
    ],
    largest: found({ tried: 1420, passed: 1420 }),
    dns: [{ server: '10.96.0.10' as IpAddress, answer: { kind: 'answered', rcode: 0, addresses: [address] } }],
    names: { name: 'kubernetes.default.svc.cluster.local', answer: { kind: 'found', addresses: [address] } },
    kubernetes: { address, reached: { kind: 'connected', ms: 2 } },
    service: undefined,
    ...over,
  };
}

/** The MeshPeer of this device, let in and known to all nodes. */
export function thePeer(spec: object = {}, conditions: readonly Condition[] = [], metadata: object = {}): MeshPeer {
  const known = new Set(conditions.map(({ type }) => type));
  const usual = [aCondition('Accepted', 'True'), aCondition('Programmed', 'True')].filter(
    ({ type }) => !known.has(type),
  );
  return meshPeerType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshPeer',
    metadata: { name: 'ada', namespace: 'team-a', uid: 'uid', generation: 1, ...metadata },
    spec: { publicKey: OWN_KEY, ...spec },
    status: { observedGeneration: 1, config: wgQuick(aClientConfiguration()), conditions: [...usual, ...conditions] },
  });
}

export function theGateway(status: object = {}, spec: object = {}) {
  return meshGatewayType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshGateway',
    metadata: { name: 'default', uid: 'uid', generation: 1 },
    spec,
    status: {
      publicKey: aClientGateway().publicKey,
      endpoints: [{ endpoint: '192.0.2.11:51840', source: 'Node' }],
      conditions: [aCondition('Ready', 'True')],
      ...status,
    },
  });
}

export function theCluster(over: Partial<ClusterFinding> = {}): Look<ClusterFinding> {
  return found({
    server: 'https://192.0.2.1:6443',
    peer: found(thePeer()),
    gateways: found([theGateway()]),
    nodes: hidden('the cluster does not tell: 403 Forbidden'),
    warning: found(undefined),
    ...over,
  });
}

/** A device of which everything works, without a kubeconfig. */
export function healthy(over: Partial<Findings> = {}): Findings {
  return {
    now: NOW,
    name: 'lab',
    files: someFiles(),
    clock: found({ against: 'the API server', aheadMs: 300 }),
    supervisor: aSupervisor(),
    device: found(aDevice()),
    routing: found({
      routes: [
        { destination: '0.0.0.0/0' as Cidr, device: 'eth0' },
        { destination: '10.96.0.0/12' as Cidr, device: 'sp-lab' },
        { destination: '10.213.0.1/32' as Cidr, device: 'sp-lab' },
      ],
      ways: new Map(['10.213.0.1', '10.96.0.10'].map((address) => [address as IpAddress, 'sp-lab'])),
    }),
    cluster: undefined,
    endpoints: [anEndpoint({ kind: 'answered', rttMs: 3 })],
    inside: someInside(),
    ...over,
  };
}

import { keyPairFrom } from '../../src/net/key-pair.ts';

const key = (number: number) => keyPairFrom(new Uint8Array(32).fill(number));

export const KEYS = { gateway: key(7), ada: key(8), bob: key(9), psk: key(10) };

export const WG_DUMP = [
  `${KEYS.gateway.privateKey}\t${KEYS.gateway.publicKey}\t51840\toff`,
  `${KEYS.ada.publicKey}\t(none)\t192.0.2.7:51820\t10.213.0.17/32,fd00::1/128\t1763000000\t12\t34\t25`,
  `${KEYS.bob.publicKey}\t${KEYS.psk.privateKey}\t[2001:db8::1]:4000\t(none)\t0\t0\t0\toff`,
  '',
].join('\n');

export const WG_QUICK = [
  [
    '# team-a/ada',
    '[Interface]',
    `PrivateKey = ${KEYS.ada.privateKey}`,
    'Address = 10.213.0.20/32, fd5a:213::20/128',
    'MTU = 1420',
    'DNS = 10.96.0.10, svc.cluster.local, cluster.local',
    '',
    '# MeshGateway default, which gives this device its current configuration at http://10.213.0.1:51840/ and http://[fd5a:213::1]:51840/',
    '# Full tunnel: 0.0.0.0/0, ::/0',
    '# Endpoints: vpn.example.com:51840, [2001:db8::1]:51840',
    '[Peer]',
    `PublicKey = ${KEYS.gateway.publicKey}`,
    'AllowedIPs = 10.96.0.0/12, 10.213.0.1/32, fd5a:213::1/128',
    'Endpoint = vpn.example.com:51840',
    'PersistentKeepalive = 25',
  ],
  [
    '# team-a/ada',
    '[Interface]',
    'Address = 10.213.0.20/32',
    `PostUp = wg set %i peer ${KEYS.gateway.publicKey} preshared-key /etc/wireguard/%i.psk`,
    `PostUp = wg set %i peer ${KEYS.bob.publicKey} preshared-key /etc/wireguard/%i.psk`,
    'PostUp = wg set %i private-key /etc/wireguard/%i.key',
    '# MeshGateway one',
    '[Peer]',
    `PublicKey = ${KEYS.gateway.publicKey}`,
    'AllowedIPs = 10.96.0.0/12',
    'Endpoint = 192.0.2.1:51840',
    '# MeshGateway two',
    '[Peer]',
    `PublicKey = ${KEYS.bob.publicKey}`,
    'AllowedIPs = 10.213.0.2/32',
    'Endpoint = 192.0.2.2:51840',
  ],
].map((lines) => `${lines.join('\n')}\n`);

export const NFT_TABLE = {
  nftables: [
    { metainfo: { version: '1.0.6', json_schema_version: 1 } },
    { table: { family: 'inet', name: 'mine', handle: 2 } },
    { chain: { family: 'inet', table: 'mine', name: 'sealed_0a1b', handle: 1 } },
    {
      set: {
        family: 'inet',
        name: 'nets',
        table: 'mine',
        type: 'ipv4_addr',
        flags: ['interval'],
        elem: [{ prefix: { addr: '10.0.0.0', len: 9 } }, '192.0.2.1', { range: ['192.0.2.8', '192.0.2.9'] }],
      },
    },
    { set: { family: 'inet', name: 'grants', table: 'mine', elem: [{ elem: { val: { concat: ['10.1.0.0', 80] } } }] } },
    { rule: { family: 'inet', table: 'mine', chain: 'in', handle: 3, comment: 'hi', expr: [{ counter: null }] } },
  ],
};

export const IP_LINKS = [
  { ifindex: 2, ifname: 'eth0', flags: ['BROADCAST', 'UP'], mtu: 1460 },
  {
    ifindex: 7,
    ifname: 'wg-default',
    flags: ['NOARP'],
    mtu: 1380,
    linkinfo: { info_kind: 'tun', info_data: { persist: true } },
  },
];

export const IP_ADDRESSES = [
  {
    ifindex: 7,
    ifname: 'wg-default',
    addr_info: [
      { family: 'inet', local: '10.213.0.1', prefixlen: 32, scope: 'global' },
      { family: 'inet6', local: 'fd5a:213::1', prefixlen: 128, scope: 'global' },
    ],
  },
];

export const IP_ROUTES = [
  { dst: '10.213.0.0/16', dev: 'wg-default', scope: 'link', flags: [] },
  { dst: 'default', gateway: '10.0.0.1', dev: 'eth0', metric: 100, metrics: [{ mtu: 1400 }] },
  { dst: 'default', nexthops: [{ gateway: '10.0.0.1', dev: 'eth0' }] },
];

export const CONNTRACK = [
  'tcp      6 431999 ESTABLISHED src=10.213.0.17 dst=10.96.0.10 sport=40000 dport=80 src=10.1.0.2 dst=10.1.0.1 [ASSURED]',
  'udp      17 29 src=fd00::1 dst=fd00::2 sport=40000 dport=53 [UNREPLIED] src=fd00::2 dst=fd00::1',
].join('\n');

const metadata = (name: string, namespace?: string) => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  uid: '6f1c2f0e-0000-4000-8000-000000000001',
  resourceVersion: '12',
  generation: 3,
  creationTimestamp: '2026-01-01T00:00:00Z',
  labels: { a: 'b' },
});

const API = 'sallyport.dev/v1alpha1';
const condition = {
  type: 'Accepted',
  status: 'True',
  reason: 'Accepted',
  message: 'Yes.',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  observedGeneration: 3,
};

export const OBJECTS = {
  MeshPeer: {
    apiVersion: API,
    kind: 'MeshPeer',
    metadata: metadata('ada', 'team-a'),
    spec: {
      publicKey: KEYS.ada.publicKey,
      addresses: ['10.213.0.20'],
      expiresAt: '2027-01-01T00:00:00Z',
      owner: 'ada',
    },
    status: {
      addresses: ['10.213.0.20'],
      publicKey: KEYS.ada.publicKey,
      conditions: [condition],
      config: '[Interface]\n',
    },
  },
  MeshGateway: {
    apiVersion: API,
    kind: 'MeshGateway',
    metadata: metadata('default'),
    spec: { listenPort: 51840, endpoint: { hosts: ['vpn.example.com:51840'] }, advertise: { cidrs: ['10.9.0.0/16'] } },
    status: { publicKey: KEYS.gateway.publicKey, pool: ['10.213.0.0/16'], conditions: [condition] },
  },
  MeshGatewayNode: {
    apiVersion: API,
    kind: 'MeshGatewayNode',
    metadata: metadata('default.node-1', 'sallyport-system'),
    spec: { gateway: 'default', node: 'node-1' },
    status: {
      dataplane: 'Kernel',
      appliedResourceVersion: '12',
      conditions: [condition],
      sessions: [{ publicKey: KEYS.ada.publicKey, endpoint: '192.0.2.7:51820', since: '2026-01-01T00:00:00Z' }],
    },
  },
  MeshAccess: {
    apiVersion: API,
    kind: 'MeshAccess',
    metadata: metadata('web', 'team-a'),
    spec: {
      from: [{ names: ['ada'], groups: ['sre'] }, { selector: { matchLabels: { a: 'b' } } }],
      to: [{ names: ['api'], ports: [{ port: 80, protocol: 'TCP' }] }],
      expiresAt: '2027-01-01T00:00:00Z',
    },
    status: { conditions: [condition] },
  },
  ClusterMeshAccess: {
    apiVersion: API,
    kind: 'ClusterMeshAccess',
    metadata: metadata('all'),
    spec: {
      from: [{ namespaces: { names: ['team-a'] }, owners: ['ada@example.com'] }],
      to: [{ namespaces: { names: ['team-a'] } }],
    },
    status: { conditions: [condition] },
  },
  Namespace: { apiVersion: 'v1', kind: 'Namespace', metadata: metadata('team-a') },
  ServiceCIDR: {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: metadata('kubernetes'),
    spec: { cidrs: ['10.96.0.0/12'] },
    status: { conditions: [{ type: 'Ready', status: 'True', reason: 'Ready' }] },
  },
  ConfigMap: {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata('kubeadm-config', 'kube-system'),
    data: { ClusterConfiguration: 'networking: {}' },
  },
  DaemonSet: {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: metadata('sallyport-default', 'sallyport-system'),
    status: { desiredNumberScheduled: 2, observedGeneration: 3 },
  },
  DNSEndpoint: {
    apiVersion: 'externaldns.k8s.io/v1alpha1',
    kind: 'DNSEndpoint',
    metadata: metadata('default', 'sallyport-system'),
    status: { observedGeneration: 1, conditions: [{ type: 'Accepted', status: 'True', message: 'Yes.' }] },
  },
  Node: {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: metadata('node-1'),
    spec: { podCIDRs: ['10.244.1.0/24'], taints: [{ key: 'a', effect: 'NoSchedule' }] },
    status: { addresses: [{ type: 'InternalIP', address: '172.30.0.11' }] },
  },
  Service: {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata('kube-dns', 'kube-system'),
    spec: { clusterIPs: ['10.96.0.10'], ports: [{ port: 53, protocol: 'UDP' }] },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
  },
  Lease: {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: metadata('sallyport-operator', 'sallyport-system'),
    spec: {
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      renewTime: '2026-01-01T00:00:00.000000Z',
      acquireTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: 2,
    },
  },
  Secret: {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadata('sallyport-default', 'sallyport-system'),
    type: 'Opaque',
    data: { privateKey: Buffer.from(KEYS.gateway.privateKey).toString('base64') },
  },
};

export const KUBEADM = [
  'apiVersion: kubeadm.k8s.io/v1beta4',
  'kind: ClusterConfiguration',
  'networking:',
  '  dnsDomain: cluster.local',
  '  serviceSubnet: 10.96.0.0/12,fd00:10:96::/112',
  '',
].join('\n');

export const STATUS = {
  kind: 'Status',
  status: 'Failure',
  reason: 'Conflict',
  message: 'changed',
  code: 409,
  details: { retryAfterSeconds: 1, causes: [{ field: 'a', message: 'b' }] },
};

export const OPERATOR_CONFIG = [
  'pool: [10.200.0.0/20, "fd12:3456:789a::/64"]',
  'logLevel: debug',
  'agent: {image: "example.test/sallyport:1", resources: &r {requests: {cpu: 20m}}, podLabels: {a: b}}',
  '',
].join('\n');

export const RESOURCES = [
  `kind: List\nitems:\n- ${JSON.stringify(OBJECTS.MeshPeer)}\n- ${JSON.stringify(OBJECTS.Node)}\n---\n${JSON.stringify(OBJECTS.MeshGateway)}`,
  'kind: Namespace\nmetadata: &one {name: team-b, labels: &two {a: b}}\nother: [*one, *two]\n',
  ...[OBJECTS.MeshAccess, OBJECTS.ClusterMeshAccess, OBJECTS.Service].map((one) => JSON.stringify(one)),
];

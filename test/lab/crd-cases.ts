import { clusterMeshAccessType } from '../../src/api/clustermeshaccess.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { API_VERSION } from '../../src/api/names.ts';
import type { KubernetesObject, ResourceType } from '../../src/api/resource.ts';
import { LOW_ORDER_POINTS } from '../../src/net/key.ts';

/** A public key that is as good as any. */
export const KEY = 'HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=';

/** An object and its kind. */
export interface Subject {
  readonly type: ResourceType<KubernetesObject>;
  readonly object: object;
}

/** A MeshPeer that is right but for what the spec adds. */
export function peer(spec: object = {}): Subject {
  const object = { metadata: { name: 'laptop', namespace: 'default' }, spec: { publicKey: KEY, ...spec } };
  return { type: meshPeerType, object: { apiVersion: API_VERSION, kind: 'MeshPeer', ...object } };
}

/** A MeshGateway; without a spec, one that leaves it out. */
export function gateway(spec?: object, name = 'default'): Subject {
  const object = { metadata: { name }, ...(spec !== undefined && { spec }) };
  return { type: meshGatewayType, object: { apiVersion: API_VERSION, kind: 'MeshGateway', ...object } };
}

/** A MeshAccess of everybody in its namespace to everything there, but for what the spec adds. */
export function access(spec: object = {}): Subject {
  const object = {
    metadata: { name: 'grant', namespace: 'default' },
    spec: { from: [{ selector: {} }], to: [{}], ...spec },
  };
  return { type: meshAccessType, object: { apiVersion: API_VERSION, kind: 'MeshAccess', ...object } };
}

/** A ClusterMeshAccess of everybody to everything, but for what the spec adds. */
export function clusterAccess(spec: object = {}): Subject {
  const namespaces = { selector: {} };
  const object = { metadata: { name: 'grant' }, spec: { from: [{ namespaces }], to: [{ namespaces }], ...spec } };
  return { type: clusterMeshAccessType, object: { apiVersion: API_VERSION, kind: 'ClusterMeshAccess', ...object } };
}

/** A MeshGatewayNode. */
export function report(): Subject {
  const object = { metadata: { name: 'default.n1', namespace: 'default' }, spec: { gateway: 'default', node: 'n1' } };
  return { type: meshGatewayNodeType, object: { apiVersion: API_VERSION, kind: 'MeshGatewayNode', ...object } };
}

function namespaceSelector(namespaces: object): Subject {
  return gateway({ allowedPeers: { namespaces } });
}

/** Each is refused, with an answer that holds these words: where it is wrong, and what to do. */
export type Refusal = readonly [name: string, subject: Subject, ...says: string[]];

export const REFUSED: readonly Refusal[] = [
  ['no key', peer({ publicKey: undefined }), 'spec.publicKey: Required'],
  ['a key that is no key', peer({ publicKey: 'secret' }), 'spec.publicKey must be', 'wg pubkey'],
  ['a key whose last bits are not zero', peer({ publicKey: KEY.replace('w=', 'x=') }), 'spec.publicKey must be'],
  [
    'a next key that is the key',
    peer({ nextPublicKey: KEY }),
    'spec.nextPublicKey must be another key',
    'sallyport key',
  ],
  ['a next key that is no key', peer({ nextPublicKey: 'secret' }), 'spec.nextPublicKey must be', 'wg pubkey'],
  ['a key that is too long', peer({ publicKey: `A${KEY}` }), 'spec.publicKey must be', '44 characters'],
  ...LOW_ORDER_POINTS.map(
    (point) =>
      [`the low-order key ${point}`, peer({ publicKey: point }), 'spec.publicKey', 'low-order', 'wg genkey'] as const,
  ),
  [
    'a Secret that cannot have this name',
    peer({ presharedKeySecretName: 'Ada/psk' }),
    'spec.presharedKeySecretName must be',
  ],
  ['leading zeros', peer({ addresses: ['10.213.0.020'] }), 'spec.addresses[0]', 'without leading zeros'],
  ['a prefix for an address', peer({ addresses: ['10.213.0.20/32'] }), 'spec.addresses[0]', 'prefix length'],
  ['a zone', peer({ addresses: ['fe80::1%eth0'] }), 'spec.addresses[0]', 'zone'],
  ['two addresses of one family', peer({ addresses: ['10.213.0.20', '10.213.0.21'] }), 'spec.addresses', 'same family'],
  ['the same address twice', peer({ addresses: ['10.213.0.20', '10.213.0.20'] }), 'spec.addresses'],
  [
    'IPv6 where the pool has none',
    peer({ addresses: ['fd00::20'] }),
    'spec.addresses',
    'no IPv6 range',
    'leave the IPv6',
  ],
  ['no address in the list', peer({ addresses: [] }), 'spec.addresses', 'at least 1'],
  ['a gateway twice', peer({ gateways: ['a', 'a'] }), 'spec.gateways[1]', 'Duplicate'],
  ['a gateway that no name can be', peer({ gateways: ['a.b'] }), 'spec.gateways[0]', 'lower-case letters'],
  ['a day for a time', peer({ expiresAt: '2030-01-31' }), 'spec.expiresAt must be', '2030-01-31T18:00:00Z'],
  ['a time without zone', peer({ expiresAt: '2030-01-31T18:00:00' }), 'spec.expiresAt must be', 'time zone'],
  ['a decimal comma', peer({ expiresAt: '2030-01-31T18:00:00,5Z' }), 'spec.expiresAt must be'],
  ['a zone of 25 hours', peer({ expiresAt: '2030-01-31T18:00:00+25:00' }), 'spec.expiresAt must be'],
  ['31 February', peer({ expiresAt: '2030-02-31T18:00:00Z' }), 'spec.expiresAt must be a day of the calendar'],
  ['a keepalive too long', peer({ persistentKeepalive: 70_000 }), 'spec.persistentKeepalive', '65535'],
  ['an owner of two lines', peer({ owner: 'a\nPostUp = b' }), 'spec.owner must be one line'],
  ['no groups', peer({ owner: 'a', groups: [] }), 'spec.groups', 'at least 1 items'],
  ['a group twice', peer({ owner: 'a', groups: ['b', 'b'] }), 'spec.groups[1]: Duplicate value'],
  [
    'seventeen groups',
    peer({ owner: 'a', groups: Array.from({ length: 17 }, (_, at) => `g${at}`) }),
    'spec.groups',
    '16',
  ],
  ['a group of two lines', peer({ owner: 'a', groups: ['b\nc'] }), 'spec.groups[] must be one line each'],
  ['groups of nobody', peer({ groups: ['oncall'] }), 'spec.groups are those of spec.owner', 'name the owner'],
  ['an unknown field', peer({ publickey: KEY }), 'unknown field "spec.publickey"'],
  ['a name of 41 characters', gateway({}, 'a'.repeat(41)), 'metadata.name must be', '40 characters', 'choose'],
  ['a name with dots', gateway({}, 'a.b'), 'metadata.name must be', 'no dots', 'choose'],
  ['port 0', gateway({ listenPort: 0 }), 'spec.listenPort', 'greater than or equal to 1'],
  ['port 70000', gateway({ listenPort: 70_000 }), 'spec.listenPort', 'less than or equal to 65535'],
  ['host bits', gateway({ advertise: { cidrs: ['10.1.2.3/8'] } }), 'spec.advertise.cidrs[0]', 'first address'],
  ['octal', gateway({ advertise: { cidrs: ['010.0.0.0/8'] } }), 'spec.advertise.cidrs[0]', 'leading zeros'],
  [
    'host bits of an exception from the internet',
    gateway({ advertise: { internet: { except: ['1.1.1.1/24'] } } }),
    'spec.advertise.internet.except[0]',
    'first address',
  ],
  [
    'host bits of a service CIDR',
    gateway({ advertise: { services: { cidrs: ['10.96.1.0/12'] } } }),
    'services.cidrs[0]',
  ],
  [
    'overlapping ranges',
    gateway({ advertise: { cidrs: ['10.1.0.0/16', '10.0.0.0/8'] } }),
    'spec.advertise.cidrs',
    'keep',
  ],
  ['a range twice', gateway({ advertise: { cidrs: ['fd00::/8', 'fd00::/8'] } }), 'spec.advertise.cidrs', 'leave out'],
  ['a selector without from', namespaceSelector({ selector: {} }), 'namespaces.selector belongs to from: Selector'],
  ['from without selector', namespaceSelector({ from: 'Selector' }), 'namespaces.selector belongs to from: Selector'],
  [
    'In without values',
    namespaceSelector({ from: 'Selector', selector: { matchExpressions: [{ key: 'team', operator: 'In' }] } }),
    'matchExpressions[0]',
    'name at least one value',
  ],
  ['a label that is none', gateway({ nodeSelector: { 'a b': 'c' } }), 'spec.nodeSelector has a key'],
  ['a label value that is none', gateway({ nodeSelector: { a: 'b c' } }), 'spec.nodeSelector has a value'],
  ['a toleration of nothing', gateway({ tolerations: [{ value: 'x' }] }), 'spec.tolerations[0]', 'operator: Exists'],
  ['a host with a scheme', gateway({ endpoint: { hosts: ['udp://a'] } }), 'spec.endpoint.hosts[0]', 'HOST:PORT'],
  [
    'names without a Service that external-dns could read',
    gateway({ endpoint: { dns: { hostnames: ['a.example.com'], publishedBy: 'Service' } } }),
    'spec.endpoint.dns.publishedBy: Service needs a Service',
  ],
  [
    'names in two places',
    gateway({
      endpoint: {
        dns: { hostnames: ['a.example.com'] },
        service: { annotations: { 'external-dns.alpha.kubernetes.io/hostname': 'b.example.com' } },
      },
    }),
    'spec.endpoint.service.annotations must not hold',
    'spec.endpoint.dns.hostnames',
  ],
  ['no names', gateway({ endpoint: { dns: { hostnames: [] } } }), 'spec.endpoint.dns.hostnames', 'at least 1'],
  [
    'a name that is none',
    gateway({ endpoint: { dns: { hostnames: ['a b'] } } }),
    'spec.endpoint.dns.hostnames[] must be a DNS name',
  ],
  ['a host twice', gateway({ endpoint: { hosts: ['a', 'a'] } }), 'spec.endpoint.hosts[1]', 'Duplicate'],
  ['an MTU below what IPv6 needs', gateway({ mtu: 1200 }), 'spec.mtu', '1280'],
  ['a domain of two lines', gateway({ dns: { domain: 'a\nPostUp = b' } }), 'spec.dns.domain must be a DNS name'],
  ['an unknown field', gateway({ listenport: 1 }), 'unknown field "spec.listenport"'],
  ['a grant to an empty entry', access({ from: [{}] }), 'spec.from[] says nothing', 'selector: {}'],
  ['a grant to groups that nobody printed', access({ from: [{ groups: null }] }), 'spec.from[] says nothing'],
  [
    'a grant of the cluster to nobody',
    clusterAccess({ from: [{ selector: {} }] }),
    'spec.from[0].namespaces: Required',
  ],
  [
    'a grant of the cluster of nothing',
    clusterAccess({ to: [{}] }),
    'spec.to[0]',
    'needs namespaces (of Services) or cidrs',
  ],
  [
    'Services and ranges at once',
    clusterAccess({ to: [{ namespaces: { selector: {} }, cidrs: ['10.0.0.0/8'] }] }),
    'one of the two',
  ],
  ['names of ranges', clusterAccess({ to: [{ cidrs: ['10.0.0.0/8'], names: ['a'] }] }), 'leave them out beside cidrs'],
  [
    'a named port of a range',
    clusterAccess({ to: [{ cidrs: ['10.0.0.0/8'], ports: [{ name: 'http' }] }] }),
    'such as {number: 5432}',
  ],
  ['host bits of a range', clusterAccess({ to: [{ cidrs: ['10.0.0.1/8'] }] }), 'spec.to[0].cidrs[0]', 'first address'],
  ['a grant to nobody', access({ from: [] }), 'spec.from', 'at least 1'],
  ['a grant of nothing', access({ to: undefined }), 'spec.to: Required'],
  [
    'namespaces by nothing',
    access({ from: [{ namespaces: {} }] }),
    'spec.from[0].namespaces',
    'needs names or selector',
  ],
  [
    'namespaces by names and labels',
    access({ from: [{ namespaces: { names: ['a'], selector: {} } }] }),
    'spec.from[0].namespaces',
    'one of the two',
  ],
  ['Services by names and labels', access({ to: [{ names: ['a'], selector: {} }] }), 'spec.to[0]', 'not both'],
  ['a port by name and number', access({ to: [{ ports: [{ name: 'http', number: 80 }] }] }), 'spec.to[0].ports[0]'],
  ['a port of nothing', access({ to: [{ ports: [{}] }] }), 'spec.to[0].ports[0]', 'such as {name: http}'],
  ['a port that is none', access({ to: [{ ports: [{ number: 0 }] }] }), 'spec.to[0].ports[0].number', 'or equal to 1'],
  [
    'a day for the end of a grant',
    access({ expiresAt: '2030-01-31' }),
    'spec.expiresAt must be',
    '2030-01-31T18:00:00Z',
  ],
  ['a gateway that no name can be', access({ gateways: ['a.b'] }), 'spec.gateways[0]', 'lower-case letters'],
  ['a label that is none', access({ from: [{ selector: { matchLabels: { 'a b': 'c' } } }] }), 'has a key'],
];

/** Each is accepted, with the defaults that zod fills in. */
export const ACCEPTED: readonly (readonly [name: string, subject: Subject])[] = [
  ['a peer with a key alone', peer()],
  ['a peer that expired long ago', peer({ expiresAt: '2020-01-01T00:00:00Z' })],
  [
    'a peer with everything',
    peer({
      gateways: ['office', 'default'],
      addresses: ['10.213.0.20'],
      expiresAt: '2030-01-31T18:00:00.5+02:00',
      suspended: true,
      presharedKeySecretName: 'ada.laptop-psk',
      persistentKeepalive: 0,
      owner: 'Zoë <zoe@example.com>',
      groups: ['oncall', 'oidc:Data & Co'],
    }),
  ],
  ['a gateway without spec', gateway()],
  ['a gateway with a name of 40 characters', gateway({}, 'a'.repeat(40))],
  [
    'a gateway with empty parts',
    gateway({ endpoint: {}, advertise: { services: {} }, allowedPeers: {}, access: {}, dns: {} }),
  ],
  [
    'a gateway with everything',
    gateway({
      nodeSelector: { 'node-role.kubernetes.io/gateway': '', zone: 'a' },
      tolerations: [{ operator: 'Exists' }, { key: 'a', value: 'b', effect: 'NoExecute', tolerationSeconds: 60 }],
      listenPort: 443,
      endpoint: {
        hosts: ['vpn.example.com', 'vpn.example.com:443', '192.0.2.1', '[2001:db8::1]:443', '2001:db8::1'],
        dns: { hostnames: ['vpn.example.com', 'b.example.com.'], ttlSeconds: 30, publishedBy: 'DNSEndpoint' },
        service: { annotations: { 'example.com/type': 'nlb' }, nodePort: 30_000, ipFamilyPolicy: 'PreferDualStack' },
        nodeAddresses: true,
      },
      advertise: {
        services: { enabled: false, cidrs: ['10.96.0.0/12', 'fd00:1::/108'] },
        cidrs: ['10.0.0.0/12', '192.0.2.0/24'],
      },
      allowedPeers: {
        namespaces: {
          from: 'Selector',
          selector: {
            matchLabels: { team: 'a' },
            matchExpressions: [
              { key: 'a', operator: 'In', values: ['b'] },
              { key: 'c', operator: 'Exists' },
            ],
          },
        },
      },
      access: { default: 'Deny', peerToPeer: 'Allow' },
      mtu: 1380,
      dns: { enabled: false, servers: ['10.96.0.10', 'fd00:1::a'], domain: 'corp.example.com' },
      dataplane: 'Userspace',
    }),
  ],
  ['a grant of the cluster of everything to everybody', clusterAccess()],
  [
    'a grant of the cluster with everything',
    clusterAccess({
      from: [{ namespaces: { names: ['team-a'] }, names: ['a'], selector: {}, owners: ['b'] }],
      to: [
        { namespaces: { names: ['shop'] }, names: ['api'], ports: [{ name: 'http' }] },
        { cidrs: ['10.50.0.0/16', 'fd00::/8'], ports: [{ number: 5432 }] },
        { cidrs: ['10.51.0.0/16'] },
      ],
      expiresAt: '2030-01-31T18:00:00Z',
      gateways: ['default'],
    }),
  ],
  ['a grant of everything to everybody', access()],
  [
    'a grant with everything',
    access({
      from: [
        {
          namespaces: { selector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] } },
          names: ['laptop'],
          selector: { matchLabels: { role: 'oncall' } },
          owners: ['Zoë <zoe@example.com>'],
          groups: ['oidc:Data & Co'],
        },
        { namespaces: { names: ['team-a'] } },
      ],
      to: [
        { names: ['api'], ports: [{ name: 'http' }, { number: 443 }] },
        { selector: { matchLabels: { tier: 'a' } } },
      ],
      expiresAt: '2030-01-31T18:00:00Z',
      gateways: ['default', 'office'],
    }),
  ],
  ['a report', report()],
];

/** Objects with a status, and what `kubectl get` makes of them, without the age. */
export const SHOWN: readonly { readonly subject: Subject; readonly status: object; readonly line: string }[] = [
  {
    subject: gateway({}, 'office'),
    status: {
      conditions: [condition('Ready', 'True', 'Ready')],
      nodes: { selected: 3, ready: 2 },
      peers: { accepted: 12, connected: 5 },
      endpoints: [{ endpoint: 'vpn.example.com:51840', source: 'Host' }],
    },
    line: 'NAME=office READY=True REASON=Ready NODES=3 SERVING=2 PEERS=12 CONNECTED=5 ENDPOINT=vpn.example.com:51840',
  },
  {
    subject: access({ expiresAt: '2030-01-31T18:00:00Z' }),
    status: {
      conditions: [condition('Resolved', 'True', 'Resolved'), condition('Enforced', 'True', 'Enforced')],
      peers: { matched: 3 },
      services: { matched: 2 },
    },
    line: 'NAME=grant RESOLVED=True ENFORCED=True PEERS=3 SERVICES=2 REASON=Resolved EXPIRES=2030-01-31T18:00:00Z',
  },
  {
    subject: peer({ expiresAt: '2030-01-31T18:00:00Z' }),
    status: {
      conditions: [
        condition('Accepted', 'True', 'Accepted'),
        condition('Programmed', 'True', 'Programmed'),
        condition('Connected', 'False', 'Idle'),
      ],
      addresses: ['10.213.0.20'],
    },
    line: 'NAME=laptop ACCEPTED=True PROGRAMMED=True CONNECTED=False ADDRESS=10.213.0.20 REASON=Accepted EXPIRES=2030-01-31T18:00:00Z',
  },
  {
    subject: report(),
    status: {
      conditions: [condition('ServicesReachable', 'False', 'DNSFailed')],
      dataplane: 'Kernel',
      peers: 12,
      connected: 5,
    },
    line: 'NAME=default.n1 GATEWAY=default NODE=n1 DATAPLANE=Kernel PROGRAMMED=null SERVICES=False REASON=DNSFailed PEERS=12 CONNECTED=5',
  },
];

function condition(type: string, status: string, reason: string): object {
  return { type, status, reason, message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { REASONS } from '../../src/api/conditions.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { type Admission, admission } from '../../src/mesh/peer-checks.ts';
import type { MeshView, OfferedPresharedKey } from '../../src/mesh/view.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import {
  aCondition,
  aKey,
  aMember,
  aNamespace,
  aPeer,
  aServedGateway,
  aView,
  NOW,
  type PeerParts,
  POOL,
  POOL6,
  type ViewParts,
} from '../support/builders.ts';

const OLD = '2026-01-01T00:00:00Z';
const NEW = '2026-02-01T00:00:00Z';
const formerKey = {
  publicKey: aKey('former'),
  state: 'Former',
  slot: 1,
  listenPort: 51840,
  interface: 'wg-default',
} as const;

function decide(peer: MeshPeer, view: ViewParts = {}) {
  return admission(aView({ peers: [peer], ...view }), peer, NOW);
}

function admitted(peer: MeshPeer, view: ViewParts = {}): Admission {
  const result = decide(peer, view);
  if ('violation' in result) throw new Error(`${result.violation.reason}: ${result.violation.message}`);
  return result.value;
}

function refused(parts: PeerParts, view: ViewParts = {}) {
  const peer = aPeer(parts);
  const result = decide(peer, view.peers === undefined ? view : { ...view, peers: [peer, ...view.peers] });
  if ('value' in result) throw new Error('the peer is let in');
  return result.violation;
}

const OFFERED: OfferedPresharedKey = { peer: 'team-a/ada', problem: undefined, version: 'version-1' };

const selecting = (labels: Readonly<Record<string, string>>, name = 'default') =>
  aServedGateway({
    name,
    spec: { allowedPeers: { namespaces: { from: 'Selector', selector: { matchLabels: labels } } } },
  });
const closed = (name: string) => aServedGateway({ name, spec: { allowedPeers: { namespaces: { from: 'None' } } } });

/** Each: a name, the reason, the peer and the cluster, and words that the message must hold: the field and the remedy. */
const REFUSALS: readonly [string, string, PeerParts, ViewParts, readonly string[]][] = [
  ['suspended', 'Suspended', { spec: { suspended: true } }, {}, ['spec.suspended', 'set it to false']],
  [
    'expired',
    'Expired',
    { spec: { expiresAt: '2026-08-01T12:00:00Z' } },
    {},
    ['spec.expiresAt (2026-08-01T12:00:00Z)', 'set a later time', 'delete'],
  ],
  [
    'with an unreadable expiry',
    'Expired',
    { spec: { expiresAt: 'tomorrow' } },
    {},
    ['spec.expiresAt (tomorrow)', 'no time', '2030-01-31T18:00:00Z'],
  ],
  [
    'beyond what its owner may have',
    'OwnerQuota',
    { metadata: { creationTimestamp: NEW }, spec: { owner: 'ada' } },
    { peersPerOwner: 1, peers: [aPeer({ name: 'old', metadata: { creationTimestamp: OLD }, spec: { owner: 'ada' } })] },
    ['spec.owner ada', 'team-a/old', 'delete one', 'quotas.peersPerOwner'],
  ],
  [
    'of nobody where devices are counted',
    'OwnerQuota',
    {},
    { peersPerOwner: 1 },
    ['spec.owner is missing', 'set it to'],
  ],
  ['with a malformed key', 'InvalidKey', { spec: { publicKey: 'abc' } }, {}, ['spec.publicKey', 'wg pubkey']],
  [
    'with a low-order key',
    'InvalidKey',
    { spec: { publicKey: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' } },
    {},
    ['spec.publicKey', 'low-order', 'generate a new key pair'],
  ],
  [
    "with a gateway's key, which no interface takes as a peer",
    'InvalidKey',
    { spec: { publicKey: aKey('gateway default') } },
    {},
    ['spec.publicKey', 'MeshGateway default', 'wg pubkey'],
  ],
  [
    "with a gateway's former key, which one of its interfaces still has",
    'InvalidKey',
    { spec: { publicKey: aKey('former') } },
    { gateways: [aServedGateway({ status: { keys: [formerKey] } })] },
    ['spec.publicKey', 'MeshGateway default', 'wg pubkey'],
  ],
  [
    'with the key of an older peer',
    'DuplicateKey',
    { spec: { publicKey: aKey('same') } },
    { peers: [aPeer({ name: 'first', namespace: 'team-b', created: OLD, spec: { publicKey: aKey('same') } })] },
    ['spec.publicKey', 'team-b/first', 'sallyport key'],
  ],
  [
    'that names a preshared key which is not there',
    'PresharedKeyNotFound',
    { spec: { presharedKeySecretName: 'ada-psk' } },
    {},
    [
      'spec.presharedKeySecretName names ada-psk',
      'kubectl -n sallyport-system create secret generic ada-psk --type=sallyport.dev/preshared-key --from-file=presharedKey',
      'kubectl -n sallyport-system annotate secret ada-psk sallyport.dev/peer=team-a/ada',
    ],
  ],
  [
    "that names another's preshared key",
    'PresharedKeyNotGranted',
    { spec: { presharedKeySecretName: 'eve-psk' } },
    { presharedKeys: { 'eve-psk': { ...OFFERED, peer: 'team-a/eve' } } },
    ['Secret sallyport-system/eve-psk', 'kubectl -n sallyport-system annotate', '=team-a/ada --overwrite'],
  ],
  [
    'that names a preshared key which is for nobody',
    'PresharedKeyNotGranted',
    { spec: { presharedKeySecretName: 'psk' } },
    { presharedKeys: { psk: { ...OFFERED, peer: undefined } } },
    ['Secret sallyport-system/psk', 'sallyport.dev/peer=team-a/ada'],
  ],
  [
    'that names a preshared key which is none',
    'PresharedKeyInvalid',
    { spec: { presharedKeySecretName: 'ada-psk' } },
    { presharedKeys: { 'ada-psk': { ...OFFERED, problem: 'a preshared key is something else' } } },
    ['entry presharedKey: a preshared key is something else', 'wg genpsk', 'kubectl -n sallyport-system patch secret'],
  ],
  [
    'that is one more with a preshared key than nodes can be brought',
    'PresharedKeysExhausted',
    { spec: { presharedKeySecretName: 'ada-psk' } },
    { presharedKeys: { 'ada-psk': OFFERED }, presharedKeyCount: 10_000 },
    ['MeshGateway default has 10000 devices', 'leave spec.presharedKeySecretName out'],
  ],
  [
    'that wishes for a taken address',
    'AddressTaken',
    { spec: { addresses: ['10.213.0.20'] } },
    { peers: [aMember({ name: 'first' })] },
    ['spec.addresses', '10.213.0.20', 'team-a/first', 'wish for another'],
  ],
  [
    'that wishes for an address elsewhere',
    'AddressOutsidePool',
    { spec: { addresses: ['192.0.2.1'] } },
    {},
    ['spec.addresses', '192.0.2.1', '10.213.0.0/16', 'leave spec.addresses out'],
  ],
  [
    "that wishes for a gateway's address",
    'AddressOutsidePool',
    { spec: { addresses: ['10.213.0.1'] } },
    {},
    ['first 16'],
  ],
  [
    "that wishes for the probe's address",
    'AddressOutsidePool',
    { spec: { addresses: ['10.213.0.15'] } },
    {},
    ['first 16'],
  ],
  [
    'that wishes for the broadcast address',
    'AddressOutsidePool',
    { spec: { addresses: ['10.213.255.255'] } },
    {},
    ['broadcast'],
  ],
  [
    'that wishes for IPv6 where the pool has none',
    'AddressOutsidePool',
    { spec: { addresses: ['fd5a:11:22::20'] } },
    {},
    ['fd5a:11:22::20'],
  ],
  ['that comes too late', 'PoolExhausted', {}, { pool: ['10.213.0.0/28' as Cidr] }, ['10.213.0.0/28', 'pool.cidrs']],
  [
    'that names a gateway that is not there',
    'GatewayNotFound',
    { spec: { gateways: ['office'] } },
    {},
    ['spec.gateways', 'office', 'default'],
  ],
  [
    'that names a gateway where there is none',
    'GatewayNotFound',
    { spec: { gateways: ['office'] } },
    { gateways: [] },
    ['there is none'],
  ],
  [
    'that names a gateway that is being deleted',
    'GatewayNotFound',
    { spec: { gateways: ['default'] } },
    { gateways: [aServedGateway({ metadata: { deletionTimestamp: OLD } })] },
    ['spec.gateways', 'default', 'being deleted'],
  ],
  [
    'in a namespace that the named gateway does not admit',
    'NamespaceNotAdmitted',
    { spec: { gateways: ['default'] } },
    { gateways: [closed('default')] },
    ['MeshGateway default', 'team-a', 'spec.allowedPeers.namespaces'],
  ],
  [
    'in a namespace that no gateway admits',
    'NamespaceNotAdmitted',
    {},
    { gateways: [closed('one'), selecting({ x: 'y' }, 'two')] },
    ['one, two', 'team-a', 'spec.allowedPeers.namespaces'],
  ],
  [
    'in a namespace that cannot be seen',
    'NamespaceNotAdmitted',
    {},
    { gateways: [selecting({})], namespaces: [] },
    ['team-a'],
  ],
  ['where there is no gateway', 'NoGateway', {}, { gateways: [] }, ['create one', 'kubectl get meshgateways']],
  [
    'where the only gateway is being deleted',
    'NoGateway',
    {},
    { gateways: [aServedGateway({ metadata: { deletionTimestamp: OLD } })] },
    ['create one'],
  ],
];

describe('a peer is refused, with the field and the remedy named', () => {
  test.each(REFUSALS)('%s: %s', (_what, reason, parts, view, words) => {
    const violation = refused(parts, view);
    expect(violation.reason).toBe(reason);
    for (const word of words) expect(violation.message).toContain(word);
    expect(violation.message).toMatch(/^[A-Z`]|^spec\./);
    expect(violation.message).toMatch(/\.$/);
  });

  test('for every reason that there is', () => {
    const letIn = ['Accepted', 'PartlyAccepted'];
    // Of objects that no check sees; see unreadable.test.ts.
    const reached = [...letIn, 'InvalidSpec', ...REFUSALS.map(([, reason]) => reason)];
    expect([...new Set(reached)].sort()).toEqual([...REASONS.MeshPeer.Accepted].sort());
  });

  test('in the order in which a person would mend it', () => {
    const all = {
      spec: {
        suspended: true,
        expiresAt: '2026-01-01T00:00:00Z',
        gateways: ['office'],
        publicKey: 'abc',
        addresses: ['192.0.2.1'],
      },
    };
    const mended: readonly [string, object][] = [
      ['Suspended', {}],
      ['Expired', { suspended: false }],
      ['GatewayNotFound', { expiresAt: undefined }],
      ['InvalidKey', { gateways: ['default'] }],
      ['AddressOutsidePool', { publicKey: aKey('good') }],
    ];
    let spec: Record<string, unknown> = all.spec;
    for (const [reason, change] of mended) {
      spec = Object.fromEntries(Object.entries({ ...spec, ...change }).filter(([, value]) => value !== undefined));
      expect(refused({ spec }).reason).toBe(reason);
    }
  });
});

describe('a peer is let in', () => {
  test('by every gateway that admits its namespace, the oldest first', () => {
    const gateways = [
      aServedGateway({ name: 'one' }),
      closed('two'),
      selecting({ 'kubernetes.io/metadata.name': 'team-a' }, 'three'),
    ];
    expect(admitted(aPeer(), { gateways }).gateways.map(({ metadata }) => metadata.name)).toEqual(['one', 'three']);
  });

  test('by those that it names, in its order, with what speaks against the others', () => {
    const gateways = [aServedGateway({ name: 'one' }), closed('two'), aServedGateway({ name: 'three' })];
    const result = admitted(aPeer({ spec: { gateways: ['three', 'two', 'four', 'one'] } }), { gateways });
    expect(result.gateways.map(({ metadata }) => metadata.name)).toEqual(['three', 'one']);
    expect(result.refused.map(({ reason }) => reason)).toEqual(['NamespaceNotAdmitted', 'GatewayNotFound']);
  });

  test('by labels of its namespace, and not of another', () => {
    const gateways = [selecting({ mesh: 'yes' })];
    const namespaces = [aNamespace('team-a', { mesh: 'yes' }), aNamespace('team-b')];
    expect(admitted(aPeer(), { gateways, namespaces }).gateways).toHaveLength(1);
    expect(refused({ namespace: 'team-b' }, { gateways, namespaces }).reason).toBe('NamespaceNotAdmitted');
  });

  test('by no more gateways than its status can name', () => {
    const gateways = Array.from({ length: 70 }, (_, index) => aServedGateway({ name: `g${index}` }));
    expect(admitted(aPeer(), { gateways }).gateways).toHaveLength(64);
  });
});

describe('a peer gets', () => {
  const dual = { pool: [POOL, POOL6] };

  test('an address of each family, the same every time, also when it is made again', () => {
    const [four, six] = admitted(aPeer(), dual).addresses;
    expect(four).toMatch(/^10\.213\./);
    expect(six).toMatch(/^fd5a:11:22:/);
    expect(admitted(aPeer({ metadata: { uid: 'again' }, created: '2026-07-31T00:00:00Z' }), dual).addresses).toEqual([
      four,
      six,
    ]);
  });

  test('the address that it wishes for, in its one spelling', () => {
    expect(admitted(aPeer({ spec: { addresses: ['FD5A:11:22::0099'] } }), dual).addresses[1]).toBe('fd5a:11:22::99');
    expect(admitted(aPeer({ spec: { addresses: ['fd5a:11:22::99', '10.213.7.7'] } }), dual).addresses).toEqual([
      '10.213.7.7',
      'fd5a:11:22::99',
    ]);
  });

  test('the address that it holds, and another only when that is no longer in the pool', () => {
    expect(admitted(aMember({ address: '10.213.44.44' })).addresses).toEqual(['10.213.44.44']);
    const moved = admitted(aMember({ address: '10.99.0.20' })).addresses;
    expect(moved).toEqual(admitted(aPeer()).addresses);
    expect(admitted(aMember({ address: '10.213.0.3' })).addresses).toEqual(moved);
  });

  test('an IPv6 address beside the one that it holds, when the pool gets IPv6 later, and loses it with the pool', () => {
    const [kept, added] = admitted(aMember({ address: '10.213.44.44' }), dual).addresses;
    expect(kept).toBe('10.213.44.44');
    expect(added).toMatch(/^fd5a:/);
    const both = aMember({ status: { addresses: ['10.213.44.44', added ?? ''] } });
    expect(admitted(both).addresses).toEqual(['10.213.44.44']);
  });

  test('the next free address where the one of its name is taken', () => {
    const own = admitted(aPeer()).addresses[0] ?? '';
    const other = aMember({ name: 'other', address: own });
    const next = admitted(aPeer(), { peers: [other, aPeer()] }).addresses[0];
    expect(next).not.toBe(own);
    expect(next?.split('.').slice(0, 3)).toEqual(own.split('.').slice(0, 3));
  });

  test('no address that another wishes for and has not been given yet', () => {
    const own = admitted(aPeer()).addresses[0] ?? '';
    const wishing = aPeer({ name: 'wishing', created: OLD, spec: { addresses: [own] } });
    expect(admitted(aPeer(), { peers: [wishing, aPeer()] }).addresses[0]).not.toBe(own);
  });

  test('what it had before, when it is let in again after a refusal', () => {
    const suspended = aMember({
      spec: { suspended: false },
      address: '10.213.44.44',
      status: { conditions: [aCondition('Accepted', 'False', { reason: 'Suspended', observedGeneration: 0 })] },
    });
    expect(admitted(suspended).addresses).toEqual(['10.213.44.44']);
  });
});

describe('a refused peer blocks nobody', () => {
  test('that has its key or wishes for the same address, once it is known why it is refused', () => {
    const squatter = aPeer({
      name: 'squatter',
      namespace: 'not-admitted',
      created: OLD,
      spec: { publicKey: aKey('team-a/ada'), addresses: ['10.213.9.9'] },
      status: {
        conditions: [aCondition('Accepted', 'False', { reason: 'NamespaceNotAdmitted', observedGeneration: 1 })],
      },
    });
    const peer = aPeer({ spec: { addresses: ['10.213.9.9'] } });
    expect(admitted(peer, { peers: [squatter, peer] }).addresses).toEqual(['10.213.9.9']);
  });
});

/** Peers that collide in keys and wishes, some with an earlier gift. */
const somePeers = fc
  .array(
    fc.record({
      key: fc.constantFrom('k1', 'k2', 'k3', 'k4'),
      wish: fc.constantFrom(undefined, undefined, '10.213.0.16', '10.213.0.17', '10.213.0.18', '10.9.9.9'),
      month: fc.constantFrom('01', '02', '03'),
      suspended: fc.constantFrom(false, false, true),
    }),
    { maxLength: 6 },
  )
  .map((all) =>
    all.map(({ key, wish, month, suspended }, index) =>
      aPeer({
        name: `p${index}`,
        created: `2026-${month}-01T00:00:00Z`,
        spec: { publicKey: aKey(key), suspended, ...(wish === undefined ? {} : { addresses: [wish] }) },
      }),
    ),
  );

describe('whoever is decided first', () => {
  const pool = ['10.213.0.0/27' as Cidr];

  test('no two peers get one key or one address', () => {
    fc.assert(
      fc.property(somePeers, fc.array(fc.nat(5)), (peers, order) => {
        const gifts = decideAll(aView({ pool, peers }), peers, order).filter((gift) => gift !== undefined);
        const claims = gifts.flatMap(({ publicKey, addresses }) => [publicKey, ...addresses]);
        expect(new Set(claims).size).toBe(claims.length);
      }),
    );
  });

  test('the same peers are let in', () => {
    fc.assert(
      fc.property(somePeers, fc.array(fc.nat(5)), (peers, order) => {
        const some = decideAll(aView({ pool, peers }), peers, order).map((gift) => gift?.publicKey);
        const others = decideAll(aView({ pool, peers }), peers, []).map((gift) => gift?.publicKey);
        expect(some).toEqual(others);
      }),
    );
  });
});

/** Decides all, those first that the order names; each decision counts for the next. */
function decideAll(view: MeshView, peers: readonly MeshPeer[], order: readonly number[]) {
  const sequence = [...new Set([...order, ...peers.keys()])].flatMap((index) => peers[index] ?? []);
  const gifts = new Map<MeshPeer, Admission>();
  for (const peer of sequence) {
    const result = admission(view, peer, NOW);
    if ('violation' in result) continue;
    view.claims.grant(keyOf(peer.metadata), result.value);
    gifts.set(peer, result.value);
  }
  return peers.map((peer) => gifts.get(peer));
}

describe('a pool that changed', () => {
  const pool = ['10.66.0.0/16' as Cidr];
  const refusing = aServedGateway({ status: { pool, conditions: [aCondition('Accepted', 'False')] } });
  const serving = aServedGateway({ status: { pool } });

  test.each([
    ['that nobody has decided about yet', aServedGateway()],
    ['that the gateway refuses', refusing],
  ])('and %s takes no address away', (_what, gateway) => {
    for (const spec of [{}, { addresses: ['10.213.0.20'] }]) {
      const peer = aMember({ address: '10.213.0.20', spec });
      expect(admitted(peer, { pool, gateways: [gateway] }).addresses).toEqual(['10.213.0.20']);
    }
    expect(admitted(aPeer(), { pool, gateways: [gateway] }).addresses).toEqual([expect.stringMatching(/^10\.66\./)]);
  });

  test('and that a gateway serves gives new addresses', () => {
    const view = { pool, gateways: [refusing, serving] };
    expect(admitted(aMember({ address: '10.213.0.20' }), view).addresses).toEqual([expect.stringMatching(/^10\.66\./)]);
    const wished = aMember({ address: '10.213.0.20', spec: { addresses: ['10.213.0.20'] } });
    expect(decide(wished, view)).toMatchObject({ violation: { reason: 'AddressOutsidePool' } });
  });

  test('keeps nothing that a peer never had', () => {
    const wished = aMember({ address: '10.213.0.20', spec: { addresses: ['10.213.0.21'] } });
    expect(decide(wished, { pool, gateways: [refusing] })).toMatchObject({
      violation: { reason: 'AddressOutsidePool' },
    });
  });
});

describe('a preshared key', () => {
  const spec = { presharedKeySecretName: 'ada-psk' };
  const presharedKeys = { 'ada-psk': OFFERED };

  test('is given by its version', () => {
    expect(admitted(aPeer({ spec }), { presharedKeys }).presharedKey).toBe('version-1');
    expect(admitted(aPeer(), { presharedKeys }).presharedKey).toBeUndefined();
  });

  test('is kept by whoever has one, however many there are by now', () => {
    const holder = aMember({ spec, status: { presharedKeyVersion: 'version-0' } });
    expect(admitted(holder, { presharedKeys, presharedKeyCount: 10_000 }).presharedKey).toBe('version-1');
  });
});

import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Condition, findCondition, REASONS } from '../../src/api/conditions.ts';
import { type Connection, type MeshPeer, type MeshPeerStatus, meshPeerType } from '../../src/api/meshpeer.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { timestamp } from '../../src/api/timestamp.ts';
import { handshakeTurn } from '../../src/mesh/handshake-turns.ts';
import { judgePeer } from '../../src/mesh/peer-status.ts';
import {
  aCondition,
  aConnection,
  aGateway,
  aKey,
  aMember,
  aPeer,
  aReport,
  aServedGateway,
  aView,
  NOW,
  type PeerParts,
  POOL,
  POOL6,
  type ViewParts,
} from '../support/builders.ts';

function judge(peer: MeshPeer, view: ViewParts = {}, now = NOW) {
  return judgePeer(aView({ peers: [peer], ...view }), peer, now);
}

function conditionOf(status: MeshPeerStatus, type: string): Condition {
  const found = findCondition(status.conditions ?? [], type);
  if (found === undefined) throw new Error(`no condition ${type}`);
  return found;
}

function answer(peer: MeshPeer, type: string, view: ViewParts = {}): string {
  const { status, reason } = conditionOf(judge(peer, view).status, type);
  return `${status} ${reason}`;
}

/** The peer as the API server holds it once this decision was written. */
function stored(peer: MeshPeer, view: ViewParts = {}, now = NOW): MeshPeer {
  return { ...peer, status: judge(peer, view, now).status };
}

const presharedKeys = { psk: { peer: 'team-a/ada', problem: undefined, version: 'version-1' } };

describe('a peer that is let in', () => {
  test('is told its key, addresses, gateways and configuration', () => {
    const { status, grant, until } = judge(aPeer());
    expect(status).toMatchObject({
      observedGeneration: 1,
      publicKey: aKey('team-a/ada'),
      gateways: ['default'],
      config: expect.stringContaining('[Interface]'),
    });
    expect(grant).toEqual({ publicKey: status.publicKey, addresses: status.addresses });
    expect(until).toBeUndefined();
    expect(status.config).toContain(`Address = ${status.addresses?.[0]}/32`);
  });

  test('keeps the configuration it had while its only gateway is refused', () => {
    const before = stored(aPeer());
    const refused = { gateways: [aGateway()] };
    expect(judge(before, refused).status.config).toBe(before.status?.config);
    expect(judge(aPeer(), refused).status.config).toBeUndefined();
  });

  test('has no configuration while its gateway has no way in', () => {
    const gateways = [aServedGateway({ status: { endpoints: [] } })];
    expect(judge(aPeer(), { gateways }).status.config).toBeUndefined();
  });

  test('is told when it is let in by some of its gateways only', () => {
    const peer = aPeer({ spec: { gateways: ['default', 'office'] } });
    expect(answer(peer, 'Accepted')).toBe('True PartlyAccepted');
    const { message } = conditionOf(judge(peer).status, 'Accepted');
    expect(message).toMatch(/^Let in by default as 10\.213\..* But: .*office/);
  });

  test('is decided anew when it expires, and not otherwise', () => {
    expect(judge(aPeer({ spec: { expiresAt: '2026-08-01T13:00:00Z' } })).until).toBe(NOW + 3_600_000);
    expect(judge(aPeer({ spec: { expiresAt: '2026-08-01T12:00:00Z' } })).until).toBeUndefined();
    expect(judge(aPeer({ spec: { expiresAt: 'tomorrow' } })).until).toBeUndefined();
  });
});

describe('a peer that is refused', () => {
  test('loses gateways, configuration and connections, and keeps key and addresses, to be the same when it comes back', () => {
    const peer = aMember({ spec: { suspended: true }, address: '10.213.44.44' });
    const { status, grant } = judge(peer, { connections: { 'team-a/ada': [aConnection()] } });
    expect(Object.keys(status).sort()).toEqual(['addresses', 'conditions', 'observedGeneration', 'publicKey']);
    expect(status).toMatchObject({ publicKey: aKey('team-a/ada'), addresses: ['10.213.44.44'] });
    expect(grant).toBeUndefined();
    expect(answer(peer, 'Programmed')).toBe('False NotAccepted');
    expect(answer(peer, 'Connected')).toBe('False NotAccepted');
  });

  test('keeps the address that it holds and wishes for', () => {
    const peer = aMember({ spec: { suspended: true, addresses: ['10.213.44.44'] }, address: '10.213.44.44' });
    expect(judge(peer).status.addresses).toEqual(['10.213.44.44']);
  });

  test('keeps nothing that it never had', () => {
    expect(judge(aPeer({ spec: { suspended: true } })).status).not.toHaveProperty('addresses');
  });

  test('gives a key free that it no longer asks for', () => {
    const peer = aMember({ spec: { publicKey: 'abc' }, status: { publicKey: aKey('old') } });
    expect(judge(peer).status).not.toHaveProperty('publicKey');
  });

  test('gives an address free in whose place it wishes for another, so that it cannot claim it back from who gets it', () => {
    const other = aMember({ name: 'other', address: '10.213.0.30' });
    const peer = aMember({
      address: '10.213.0.20',
      spec: { addresses: ['10.213.0.30'] },
      status: { addresses: ['10.213.0.20', 'fd5a:11:22::20'] },
    });
    const { status } = judge(peer, { pool: [POOL, POOL6], peers: [peer, other] });
    expect(conditionOf(status, 'Accepted').reason).toBe('AddressTaken');
    expect(status.addresses).toEqual(['fd5a:11:22::20']);
  });
});

describe('Programmed', () => {
  const view: ViewParts = { acceptedAt: { 'team-a/ada': 500n } };
  const at = (version: string | undefined, more: Parameters<typeof aReport>[0] = {}) =>
    aReport({
      ...more,
      status: version === undefined ? { appliedResourceVersion: undefined } : { appliedResourceVersion: version },
    });
  const peer = stored(aPeer());

  test.each<[string, MeshPeer, ViewParts, string, string]>([
    [
      'once every node has followed to the version with which it was let in',
      peer,
      { ...view, reports: [at('500')] },
      'True Programmed',
      'On 1 of 1 nodes.',
    ],
    [
      'not while a node is one version behind',
      peer,
      { ...view, reports: [at('499')] },
      'False WaitingForNodes',
      'node-a',
    ],
    [
      'not while one of two nodes is behind, which is named',
      peer,
      { ...view, reports: [at('500'), at('9', { node: 'b' })] },
      'False WaitingForNodes',
      'b (1 of 2 nodes have it)',
    ],
    ['compared as numbers', peer, { ...view, reports: [at('1000')] }, 'True Programmed', '1 of 1'],
    [
      'not while a node does not say how far it is',
      peer,
      { ...view, reports: [at(undefined)] },
      'False WaitingForNodes',
      'node-a',
    ],
    [
      'not where a node says what cannot be compared',
      peer,
      { ...view, reports: [at('abc')] },
      'False WaitingForNodes',
      'node-a',
    ],
    [
      'not while nothing of it is stored',
      aPeer(),
      { ...view, reports: [at('1000')] },
      'False WaitingForNodes',
      'node-a',
    ],
    [
      'not without a live node',
      peer,
      { ...view, reports: [at('1000', { alive: false })] },
      'False NoReadyNode',
      'MeshGateway default',
    ],
    [
      'not where the only node could not be programmed',
      peer,
      { ...view, reports: [aReport({ status: { conditions: [aCondition('Programmed', 'False')] } })] },
      'False NoReadyNode',
      'default',
    ],
    [
      'not while the gateway is refused',
      peer,
      { ...view, gateways: [aGateway()] },
      'False GatewayNotAccepted',
      'kubectl describe meshgateway default',
    ],
  ])('%s', (_when, subject, cluster, expected, word) => {
    expect(answer(subject, 'Programmed', cluster)).toBe(expected);
    expect(conditionOf(judge(subject, cluster).status, 'Programmed').message).toContain(word);
  });

  test('is never True without every programmed node having said so', () => {
    const someReport = fc.record({
      node: fc.constantFrom('a', 'b', 'c'),
      alive: fc.boolean(),
      programmed: fc.boolean(),
      version: fc.constantFrom(undefined, '', '499', '500', '501', 'x'),
    });
    fc.assert(
      fc.property(fc.array(someReport), fc.option(fc.constant(500n), { nil: undefined }), (all, since) => {
        const reports = all.map(({ node, alive, programmed, version }) =>
          aReport({
            node,
            alive,
            status: {
              conditions: [aCondition('Programmed', programmed ? 'True' : 'False')],
              appliedResourceVersion: version,
            },
          }),
        );
        const fresh: MeshPeer = { ...peer, metadata: { ...peer.metadata, resourceVersion: '500' } };
        const acceptedAt: Record<string, bigint> = since === undefined ? {} : { 'team-a/ada': since };
        const isTrue = answer(fresh, 'Programmed', { reports, acceptedAt }).startsWith('True');
        const counted = all.filter(({ alive, programmed }) => alive && programmed);
        const proven = counted.length > 0 && counted.every(({ version }) => version === '500' || version === '501');
        expect(isTrue).toBe(proven);
      }),
    );
  });

  test('says which of its gateways does not serve it', () => {
    const gateways = [aServedGateway(), aGateway({ name: 'office' })];
    const twice = stored(aPeer(), { gateways });
    const { status } = judge(twice, { gateways, acceptedAt: { 'team-a/ada': 1n } });
    expect(conditionOf(status, 'Programmed')).toMatchObject({
      status: 'True',
      message: expect.stringContaining('MeshGateway office is not accepted'),
    });
  });

  describe('after the operator started anew and remembers no version', () => {
    const programmed = stored(peer, { ...view, reports: [at('500')] });

    test('stays, also when the object was written to since', () => {
      const later: MeshPeer = { ...programmed, metadata: { ...programmed.metadata, resourceVersion: '9999' } };
      expect(answer(later, 'Programmed', { reports: [at('500')] })).toBe('True Programmed');
    });

    test('waits for the version at hand where it was not there before', () => {
      const later: MeshPeer = { ...peer, metadata: { ...peer.metadata, resourceVersion: '700' } };
      expect(answer(later, 'Programmed', { reports: [at('699')] })).toBe('False WaitingForNodes');
      expect(answer(later, 'Programmed', { reports: [at('700')] })).toBe('True Programmed');
    });

    test('does not stay when what the peer gets is another now', () => {
      const rolled: MeshPeer = { ...programmed, spec: { ...programmed.spec, publicKey: aKey('new') } };
      expect(answer(rolled, 'Programmed', { reports: [at('500')] })).toBe('False WaitingForNodes');
    });
  });
});

/** A cluster whose live nodes report these sessions of `team-a/ada`. */
function connectedBy(...connections: readonly Connection[]): ViewParts {
  return {
    gateways: [aServedGateway(), aServedGateway({ name: 'office' })],
    reports: connections.map(({ gateway, node }) => aReport({ gateway, node })),
    connections: { 'team-a/ada': connections },
  };
}

describe('Connected', () => {
  const connected = { 'team-a/ada': [aConnection()] };

  test.each<[string, MeshPeer, ViewParts, string, string]>([
    ['with a session', aPeer(), { connections: connected }, 'True Connected', 'node node-a from 198.51.100.7:40000'],
    [
      'with several',
      aPeer(),
      connectedBy(aConnection(), aConnection({ node: 'node-b' })),
      'True Connected',
      'node-a and 1 more',
    ],
    ['not before the first', aPeer(), {}, 'False NeverConnected', 'status.config'],
    [
      'not any more',
      aMember({ status: { conditions: [aCondition('Connected', 'True')] } }),
      {},
      'False Idle',
      'three minutes',
    ],
    [
      'still not',
      aMember({ status: { conditions: [aCondition('Connected', 'False', { reason: 'Idle' })] } }),
      {},
      'False Idle',
      '',
    ],
  ])('%s', (_when, peer, view, expected, word) => {
    expect(answer(peer, 'Connected', view)).toBe(expected);
    expect(conditionOf(judge(peer, view).status, 'Connected').message).toContain(word);
  });
});

describe('a session that a dead node reported last', () => {
  const connections = {
    'team-a/ada': [aConnection({ node: 'dead' }), aConnection({ node: 'node-a', since: '2026-08-01T08:00:00Z' })],
  };

  test('does not count, because nobody knows whether it still is', () => {
    const reports = [aReport(), aReport({ node: 'dead', alive: false })];
    const { status } = judge(aPeer(), { connections, reports });
    expect(status.connections?.map(({ node }) => node)).toEqual(['node-a']);
    expect(conditionOf(status, 'Connected').message).toContain('node-a');
  });

  test('leaves a peer without any other idle', () => {
    const peer = aMember({ status: { conditions: [aCondition('Connected', 'True')] } });
    expect(answer(peer, 'Connected', { connections, reports: [] })).toBe('False Idle');
  });
});

describe('connections', () => {
  const told = (peer: MeshPeer, ...connections: readonly Connection[]) =>
    judge(peer, connectedBy(...connections)).status.connections;
  const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString().replace('.000', '');
  const having = (...connections: Connection[]) => aMember({ status: { connections } });

  test('are told as nodes report them', () => {
    expect(told(aPeer(), aConnection())).toEqual([aConnection()]);
    expect(told(aPeer())).toBeUndefined();
  });

  test("keep the stored handshake until it is the device's turn, and are told once in it", () => {
    const connectedPeers = 10_000;
    const ada = 'team-a/ada' as ObjectKey;
    const turn = handshakeTurn(ada, connectedPeers, NOW).next;
    const ago = (seconds: number) => aConnection({ lastHandshake: timestamp(turn - seconds * 1000) });
    const tellsAt = (ms: number, before: Connection, fresh: Connection) => {
      const view = { ...connectedBy(fresh), connectedPeers };
      return judge(having(before), view, turn + ms).status.connections?.[0] === fresh;
    };
    expect(tellsAt(-1, ago(4_000), ago(100))).toBe(false);
    expect(tellsAt(0, ago(4_000), ago(100))).toBe(true);
    expect(tellsAt(60_000, ago(100), ago(-20))).toBe(false);
    // An operator that was down does not tell all at once whom it missed.
    expect(tellsAt(6 * 60_000, ago(4_000), ago(-300))).toBe(false);
    expect(judge(having(ago(100)), { ...connectedBy(ago(100)), connectedPeers }, turn - 1).until).toBe(turn);
  });

  test('a session that begins, moves, changes its key or ends is told at once, whenever that is and however many there are', () => {
    const word = fc.constantFrom('a', 'b');
    const session = fc.record({
      gateway: fc.constant('default'),
      node: word,
      endpoint: word,
      since: fc.constantFrom(at(-9_000), at(-8_000)),
      publicKey: word,
      gatewayKey: word,
      lastHandshake: fc.integer({ min: -20_000, max: 200 }).map(at),
    });
    const told = ({ lastHandshake: _, ...rest }: Connection) => rest;
    const reports = ['a', 'b'].map((node) => aReport({ node }));
    const some = fc.uniqueArray(session, { selector: ({ node }) => node });
    fc.assert(
      fc.property(some, some, fc.nat(20_000), fc.nat(20_000_000), (before, after, connectedPeers, later) => {
        const view = { ...connectedBy(...after), reports, connectedPeers };
        const { connections = [] } = judge(having(...before), view, NOW + later).status;
        expect(connections.map(told)).toEqual(expect.arrayContaining(after.map(told)));
        expect(connections).toHaveLength(after.length);
        for (const one of connections) {
          const stored = before.some((other) => isDeepStrictEqual(told(other), told(one)));
          if (!stored) expect(after).toContainEqual(one);
        }
      }),
    );
  });

  test.each([
    ['another endpoint', { endpoint: '198.51.100.8:40000' }],
    ['another beginning', { since: '2026-08-01T10:00:00Z' }],
    ['another node', { node: 'node-b' }],
    ['another gateway', { gateway: 'office' }],
  ])('tell the present handshake with %s', (_what, change) => {
    const fresh = aConnection({ ...change, lastHandshake: at(60) });
    expect(told(having(aConnection({ lastHandshake: at(0) })), fresh)).toEqual([fresh]);
  });

  test('replace a stored handshake that nobody can read', () => {
    expect(told(having(aConnection({ lastHandshake: 'x' })), aConnection())).toEqual([aConnection()]);
  });

  test('cost a write in minutes however often nodes report: an hour of handshakes every two minutes', () => {
    let peer = having();
    let writes = 0;
    for (let minute = 0; minute <= 60; minute += 2) {
      const connections = { 'team-a/ada': [aConnection({ lastHandshake: at(minute * 60) })] };
      const { status } = judge(peer, { connections }, NOW + minute * 60_000);
      if (JSON.stringify(status) !== JSON.stringify(peer.status)) writes += 1;
      peer = { ...peer, status };
    }
    expect(writes).toBeLessThanOrEqual(1 + 60 / 5);
  });

  test('say by which key the device came as nodes report it, not as it is told', () => {
    const a = { node: 'a', gatewayKey: aKey('former') };
    const b = { node: 'b', gatewayKey: aKey('current'), lastHandshake: at(-60) };
    const peer = having(aConnection({ ...a, lastHandshake: at(-120) }), aConnection(b));
    const reports = ['a', 'b'].map((node) => aReport({ node }));
    const fresh = connectedBy(aConnection({ ...a, lastHandshake: at(-10) }), aConnection(b));
    const { status } = judge(peer, { ...fresh, reports, connectedPeers: 10_000 });
    expect(status.connections?.map(({ lastHandshake }) => lastHandshake)).toContain(at(-120));
    expect(status.gatewayKeys).toEqual([{ gateway: 'default', publicKey: aKey('former') }]);
  });

  test('name each gateway and node once, with the latest handshake, the newest session first, in whatever order they come', () => {
    const old = aConnection({ node: 'a', since: '2026-08-01T01:00:00Z', lastHandshake: at(-90) });
    const stale = aConnection({ node: 'a', since: '2026-08-01T00:00:00Z', lastHandshake: at(-170) });
    const fresh = aConnection({ node: 'b', since: '2026-08-01T11:00:00Z' });
    const expected = [fresh, old];
    expect(told(aPeer(), old, stale, fresh)).toEqual(expected);
    expect(told(aPeer(), fresh, stale, old)).toEqual(expected);
    const { message } = conditionOf(judge(aPeer(), connectedBy(old, fresh)).status, 'Connected');
    expect(message).toContain('node b and 1 more');
  });

  test('are no more than a status has room for', () => {
    const many = Array.from({ length: 300 }, (_, index) => aConnection({ node: `node-${index}` }));
    expect(told(aPeer(), ...many)).toHaveLength(256);
  });
});

describe('time', () => {
  test('of a transition moves when the status flips, and not otherwise', () => {
    const first = stored(aPeer(), {}, NOW);
    const later = stored(first, {}, NOW + 60_000);
    expect(conditionOf(later.status ?? {}, 'Accepted').lastTransitionTime).toBe('2026-08-01T12:00:00Z');
    const suspended = { ...later, spec: { ...later.spec, suspended: true } };
    const out = stored(suspended, {}, NOW + 120_000);
    expect(conditionOf(out.status ?? {}, 'Accepted').lastTransitionTime).toBe('2026-08-01T12:02:00Z');
    const expired = { ...suspended, status: out.status, spec: { ...later.spec, expiresAt: '2026-08-01T12:00:00Z' } };
    expect(conditionOf(judge(expired, {}, NOW + 180_000).status, 'Accepted').lastTransitionTime).toBe(
      '2026-08-01T12:02:00Z',
    );
  });

  const whatever: readonly [string, PeerParts, ViewParts][] = [
    ['a peer that is let in', {}, {}],
    ['a connected one', {}, { connections: { 'team-a/ada': [aConnection()] } }],
    ['a suspended one', { spec: { suspended: true } }, {}],
    ['a refused one', { spec: { addresses: ['192.0.2.1'] } }, {}],
    ['one without a gateway', {}, { gateways: [] }],
    ['one of two families', {}, { pool: [POOL, POOL6] }],
    ['one that does not get its next key', { spec: { nextPublicKey: 'nonsense' } }, {}],
  ];

  test.each(whatever)('alone changes nothing about %s: what is said twice is said alike', (_what, parts, view) => {
    let peer = aPeer(parts);
    for (let round = 0; round < 3; round++) peer = stored(peer, { ...view, peers: [peer] }, NOW + round);
    expect(judge(peer, view, NOW + 1e9).status).toEqual(peer.status);
  });

  test.each(whatever)('and the status of %s is one that the API server stores', (_what, parts, view) => {
    const { status } = judge(aPeer(parts), view);
    expect(meshPeerType.parse({ ...aPeer(parts), status }).status).toEqual(status);
  });
});

/** A device that is to change its key. */
function changing(parts: PeerParts = {}): MeshPeer {
  return aMember({ ...parts, spec: { nextPublicKey: aKey('next'), ...parts.spec } });
}

describe('a peer that is to change its key', () => {
  const connectedBy = (key: string) => ({ connections: { 'team-a/ada': [aConnection({ publicKey: aKey(key) })] } });

  test('is let in with both keys at once, claims both, and is told since when', () => {
    const { status, grant } = judge(changing());
    expect(status).toMatchObject({
      publicKey: aKey('team-a/ada'),
      nextPublicKey: aKey('next'),
      nextPublicKeySince: '2026-08-01T12:00:00Z',
    });
    expect(grant).toMatchObject({ publicKey: aKey('team-a/ada'), nextPublicKey: aKey('next') });
  });

  test('has a status that the API server stores, and that is said alike when it is said twice', () => {
    const begun = stored(stored(changing(), connectedBy('next')), connectedBy('next'));
    expect(judge(begun, connectedBy('next'), NOW + 1_000).status).toEqual(begun.status);
    expect(meshPeerType.parse(begun).status).toEqual(begun.status);
  });

  test('hears nothing of it while it does not change', () => {
    expect(findCondition(judge(aMember()).status.conditions ?? [], 'NextKeyInUse')).toBeUndefined();
  });

  test('is programmed with the second key only once the nodes have followed that', () => {
    const before = stored(aPeer());
    const asked = { ...before, spec: { ...before.spec, nextPublicKey: aKey('next') } };
    const behind = { acceptedAt: { 'team-a/ada': 100n } };
    expect(answer(asked, 'Programmed', behind)).toBe('False WaitingForNodes');
    expect(answer(stored(asked, behind), 'Programmed', behind)).toBe('True Programmed');
    expect(answer(stored(asked, behind), 'Programmed', { acceptedAt: { 'team-a/ada': 10n ** 9n } })).toBe(
      'False WaitingForNodes',
    );
  });

  test('is told which key it uses, and how to end the change', () => {
    expect(answer(changing(), 'NextKeyInUse', connectedBy('team-a/ada'))).toBe('False NotInUse');
    expect(answer(changing(), 'NextKeyInUse', connectedBy('next'))).toBe('True InUse');
    const { message } = conditionOf(judge(changing(), connectedBy('next')).status, 'NextKeyInUse');
    expect(message).toContain(
      `kubectl -n team-a patch meshpeer ada --type merge -p '{"spec":{"publicKey":"${aKey('next')}","nextPublicKey":null}}'`,
    );
  });

  test('is told when that has taken an hour, in time and without anybody asking', () => {
    const begun = stored(changing());
    expect(judge(begun).until).toBe(NOW + 3_600_000);
    const { status } = judge(begun, connectedBy('next'), NOW + 3_600_000);
    expect(conditionOf(status, 'NextKeyInUse')).toMatchObject({ status: 'True', reason: 'Overdue' });
    expect(status.nextPublicKeySince).toBe('2026-08-01T12:00:00Z');
    expect(judge(begun, {}, NOW + 3_600_000).until).toBeUndefined();
  });

  test.each([
    ['is nobody else‘s', aKey('bob'), 'DuplicateKey'],
    ['is no key', 'nonsense', 'InvalidKey'],
    ['is the gateway‘s', aKey('gateway default'), 'InvalidKey'],
  ])('keeps its first key when the next one is refused because it must be one that %s', (_what, nextPublicKey, why) => {
    const peer = changing({ spec: { nextPublicKey } });
    const bob = aMember({ name: 'bob', spec: { publicKey: aKey('bob') } });
    const { status } = judge(peer, { peers: [peer, bob] });
    expect(status.publicKey).toBe(aKey('team-a/ada'));
    expect(status.nextPublicKey).toBeUndefined();
    expect(conditionOf(status, 'Accepted')).toMatchObject({ status: 'True', reason: 'PartlyAccepted' });
    expect(conditionOf(status, 'NextKeyInUse')).toMatchObject({ status: 'False', reason: why });
  });

  test('keeps another device from its next key as from its key', () => {
    const ada = stored(changing());
    const bob = aPeer({ name: 'bob', created: '2026-01-01T00:00:00Z', spec: { publicKey: aKey('next') } });
    expect(conditionOf(judge(bob, { peers: [ada, bob] }).status, 'Accepted').reason).toBe('DuplicateKey');
  });

  test('keeps its claim to both while it is suspended', () => {
    const begun = stored(changing());
    const held = stored({ ...begun, spec: { ...begun.spec, suspended: true } });
    expect(held.status).toMatchObject({ publicKey: aKey('team-a/ada'), nextPublicKey: aKey('next') });
  });
});

describe('every reason', () => {
  // Those of the gateway's key are reached in lingering.test.ts.
  const { Accepted: _, UsesCurrentKey: _key, ...types } = REASONS.MeshPeer;
  const peer = stored(aPeer());
  const cases: readonly [MeshPeer, ViewParts][] = [
    [peer, { acceptedAt: { 'team-a/ada': 1n }, connections: { 'team-a/ada': [aConnection()] } }],
    [aPeer(), {}],
    [aPeer({ spec: { suspended: true } }), {}],
    [peer, { gateways: [aGateway()] }],
    [peer, { reports: [] }],
    [aMember({ status: { conditions: [aCondition('Connected', 'True')] } }), {}],
    [
      stored(aPeer({ spec: { presharedKeySecretName: 'psk' } }), { presharedKeys }),
      { presharedKeys, reports: [aReport({ status: { withoutPresharedKey: ['team-a/ada'] } })] },
    ],
    [changing(), {}],
    [changing(), { connections: { 'team-a/ada': [aConnection({ publicKey: aKey('next') })] } }],
    [changing({ status: { nextPublicKey: aKey('next'), nextPublicKeySince: '2026-08-01T10:00:00Z' } }), {}],
    [changing({ spec: { suspended: true } }), {}],
    [changing({ spec: { nextPublicKey: 'nonsense' } }), {}],
    [changing(), { peers: [changing(), aMember({ name: 'bob', spec: { publicKey: aKey('next') } })] }],
  ];

  test.each(Object.entries(types))('of %s can be reached', (type, reasons) => {
    const reached = new Set(
      cases.flatMap(
        ([subject, view]) => findCondition(judge(subject, view).status.conditions ?? [], type)?.reason ?? [],
      ),
    );
    expect([...reached].sort()).toEqual([...reasons].sort());
  });
});

describe('a peer with a preshared key is programmed', () => {
  const peer = stored(aPeer({ spec: { presharedKeySecretName: 'psk' } }), { presharedKeys });
  const reported = (withoutPresharedKey: readonly string[]) => ({
    presharedKeys,
    reports: [aReport({ status: { withoutPresharedKey: [...withoutPresharedKey] } }), aReport({ node: 'node-b' })],
  });
  const many = Array.from({ length: 1024 }, (_, index) => `team-b/device-${index}`);

  test.each<[string, readonly string[], string]>([
    ['when no node lacks its key', ['team-a/bob'], 'True Programmed'],
    ['not while a node lacks its key', ['team-a/ada'], 'False WaitingForPresharedKey'],
    ['not while so many lack theirs that it may be among them', many, 'False WaitingForPresharedKey'],
  ])('%s', (_when, missing, expected) => {
    expect(answer(peer, 'Programmed', reported(missing))).toBe(expected);
  });

  test('and says which nodes wait', () => {
    const { message } = conditionOf(judge(peer, reported(['team-a/ada'])).status, 'Programmed');
    expect(message).toMatch(/to reach node-a \(1 of 2 nodes have it\)/);
  });

  test('and another never waits for one', () => {
    expect(answer(stored(aPeer()), 'Programmed', reported(many))).toBe('True Programmed');
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf, type ObjectKey } from '../../src/api/resource.ts';
import { PeerTable, peerTable } from '../../src/mesh/peer-table.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { aKey, aMember, NOW, type PeerParts } from '../support/builders.ts';

const KEY = 'team-a/ada' as ObjectKey;

function member(name: string, parts: PeerParts & { readonly address?: string; readonly key?: string } = {}): MeshPeer {
  const publicKey = aKey(parts.key ?? name);
  return aMember({ name, ...parts, spec: { publicKey, ...parts.spec } });
}

function entriesOf(table: PeerTable): Record<string, readonly string[]> {
  return Object.fromEntries([...table.wanted.values()].map(({ publicKey, allowedIPs }) => [publicKey, allowedIPs]));
}

function tableOf(...peers: readonly MeshPeer[]): PeerTable {
  return peerTable('default', peers, NOW);
}

describe('a table of peers', () => {
  test('holds members and nobody else, their addresses sorted', () => {
    const dual = member('dual', { status: { addresses: ['fd5a:11:22::9', '10.213.0.9'] } });
    const table = tableOf(dual, member('out', { spec: { suspended: true } }));
    expect(entriesOf(table)).toEqual({ [aKey('dual')]: ['10.213.0.9/32', 'fd5a:11:22::9/128'] });
    expect(table.memberWith(aKey('dual'))?.peer).toBe(dual);
    expect(table.memberWith(aKey('out'))).toBeUndefined();
  });

  test('does not touch anything when a peer changes in what no node needs', () => {
    const table = tableOf(member('ada'));
    const renewed = member('ada', { metadata: { resourceVersion: '101' }, spec: { owner: 'ada@example.com' } });
    expect(table.set(KEY, renewed, NOW)).toEqual(new Set());
    expect(table.memberWith(aKey('ada'))?.peer).toBe(renewed);
  });

  test('touches the old and the new key when a peer gets another', () => {
    const table = tableOf(member('ada', { key: 'old' }));
    expect(table.set(KEY, member('ada', { key: 'new' }), NOW)).toEqual(new Set([aKey('old'), aKey('new')]));
    expect(Object.keys(entriesOf(table))).toEqual([aKey('new')]);
  });

  test('does not know a peer of another gateway', () => {
    expect(peerTable('office', [member('ada')], NOW).wanted.size).toBe(0);
  });
});

describe('two members that cannot both be honoured', () => {
  const older = member('old', { created: '2026-01-01T00:00:00Z', address: '10.213.0.20' });
  const younger = member('young', { created: '2026-02-01T00:00:00Z', address: '10.213.0.20' });

  test('with one address: the older has it, in whatever order they come', () => {
    const expected = { [aKey('old')]: ['10.213.0.20/32'], [aKey('young')]: [] };
    expect(entriesOf(tableOf(older, younger))).toEqual(expected);
    expect(entriesOf(tableOf(younger, older))).toEqual(expected);
  });

  test('with one address: the younger gets it when the older goes, and its key is touched', () => {
    const table = tableOf(older, younger);
    expect(table.set(keyOf(older.metadata), undefined, NOW)).toEqual(new Set([aKey('old'), aKey('young')]));
    expect(entriesOf(table)).toEqual({ [aKey('young')]: ['10.213.0.20/32'] });
  });

  test('with one address: an older that arrives takes it, and the younger key is touched', () => {
    const table = tableOf(younger);
    expect(table.set(keyOf(older.metadata), older, NOW)).toEqual(new Set([aKey('old'), aKey('young')]));
    expect(entriesOf(table)).toEqual({ [aKey('old')]: ['10.213.0.20/32'], [aKey('young')]: [] });
  });

  test('with one key: the older has the entry, and hands it over when it goes', () => {
    const first = member('first', { key: 'same', created: '2026-01-01T00:00:00Z', address: '10.213.0.21' });
    const second = member('second', { key: 'same', created: '2026-02-01T00:00:00Z', address: '10.213.0.22' });
    const table = tableOf(second, first);
    expect(entriesOf(table)).toEqual({ [aKey('same')]: ['10.213.0.21/32'] });
    expect(table.memberWith(aKey('same'))?.peer).toBe(first);
    expect(table.set(keyOf(first.metadata), undefined, NOW)).toEqual(new Set([aKey('same')]));
    expect(entriesOf(table)).toEqual({ [aKey('same')]: ['10.213.0.22/32'] });
  });

  test('a peer that was deleted and made again is younger than its rival', () => {
    const table = tableOf(older, younger);
    const again = member('old', {
      created: '2026-03-01T00:00:00Z',
      address: '10.213.0.20',
      metadata: { uid: 'uid-again' },
    });
    expect(table.set(keyOf(older.metadata), again, NOW)).toContain(aKey('young'));
    expect(entriesOf(table)).toEqual({ [aKey('old')]: [], [aKey('young')]: ['10.213.0.20/32'] });
  });
});

describe('who an address belongs to', () => {
  const at = (table: PeerTable, address: string) => table.memberAt(address as IpAddress)?.peer.metadata.name;

  test('is the member that has it, in both families, and nobody once that is out', () => {
    const table = tableOf(member('dual', { status: { addresses: ['fd5a:11:22::9', '10.213.0.9'] } }));
    expect([at(table, '10.213.0.9'), at(table, 'fd5a:11:22::9'), at(table, '10.213.0.8')]).toEqual([
      'dual',
      'dual',
      undefined,
    ]);
    table.set('team-a/dual' as ObjectKey, member('dual', { spec: { suspended: true } }), NOW);
    expect(at(table, '10.213.0.9')).toBeUndefined();
  });

  test('is the older one of two', () => {
    const old = member('old', { created: '2026-01-01T00:00:00Z', address: '10.213.0.20' });
    const young = member('young', { created: '2026-02-01T00:00:00Z', address: '10.213.0.20' });
    expect(at(tableOf(young, old), '10.213.0.20')).toBe('old');
  });

  test('is nobody where the key that sends from there is that of an older member with another address', () => {
    const old = member('old', { created: '2026-01-01T00:00:00Z', key: 'same', address: '10.213.0.20' });
    const young = member('young', { created: '2026-02-01T00:00:00Z', key: 'same', address: '10.213.0.21' });
    expect(at(tableOf(young, old), '10.213.0.21')).toBeUndefined();
  });

  test("is nobody where it is the probe's", () => {
    const table = tableOf(member('ada', { address: '10.213.0.15' }));
    table.pin({ publicKey: aKey('probe'), allowedIPs: ['10.213.0.15/32' as Cidr] });
    expect(at(table, '10.213.0.15')).toBeUndefined();
  });

  test('is nobody while its preshared key has not reached the node', () => {
    const table = tableOf(
      member('ada', {
        address: '10.213.0.20',
        spec: { presharedKeySecretName: 'ada-psk' },
        status: { presharedKeyVersion: 'v1' },
      }),
    );
    expect(at(table, '10.213.0.20')).toBe('ada');
    table.mount(new Map());
    expect(at(table, '10.213.0.20')).toBeUndefined();
  });
});

describe('a member with two keys', () => {
  const [old, next] = [aKey('old'), aKey('next')];
  const changing = ([publicKey, nextPublicKey]: readonly [string, string?], parts: PeerParts = {}) =>
    member('ada', {
      ...parts,
      spec: { publicKey, nextPublicKey },
      status: { publicKey: old, nextPublicKey: next },
    });
  const seen = (handshakes: Readonly<Record<string, number>>, holder = old) =>
    new Map(
      Object.entries(handshakes).map(([key, latestHandshake]) => [
        key as PublicKey,
        { latestHandshake, allowedIPs: key === holder ? ['10.213.0.20/32' as Cidr] : [] },
      ]),
    );

  test('has an entry for each, of which the first has the addresses until the next is seen to be used', () => {
    const table = tableOf(changing([old, next]));
    expect([...table.wanted.values()]).toEqual([
      { publicKey: old, allowedIPs: ['10.213.0.20/32'], otherKey: next },
      { publicKey: next, allowedIPs: [], otherKey: old },
    ]);
    expect(table.see(seen({ [old]: 100, [next]: 101 }))).toEqual(new Set([old, next]));
    expect(entriesOf(table)).toEqual({ [old]: [], [next]: ['10.213.0.20/32'] });
    expect(table.see(seen({ [old]: 100, [next]: 101 }, next))).toEqual(new Set());
    expect(table.see(seen({ [old]: 102, [next]: 101 }, next))).toEqual(new Set([old, next]));
    expect(entriesOf(table)).toEqual({ [old]: ['10.213.0.20/32'], [next]: [] });
  });

  test('is one member, by both keys and by its address, and one of its keys is in use', () => {
    const table = tableOf(changing([old, next]));
    for (const holder of [old, next]) {
      table.see(seen({ [holder]: 100 }));
      expect([old, next].map((key) => table.memberWith(key)?.peer.metadata.name)).toEqual(['ada', 'ada']);
      expect(table.memberAt('10.213.0.20' as IpAddress)?.peer.metadata.name).toBe('ada');
      expect([old, next].filter((key) => table.isInUse(key))).toEqual([holder]);
      expect(table.memberCount).toBe(1);
    }
  });

  test('keeps its addresses where they are when its change ends', () => {
    const table = tableOf(changing([old, next]));
    table.see(seen({ [next]: 100 }));
    expect(table.set(KEY, changing([next]), NOW)).toEqual(new Set([old, next]));
    expect([...table.wanted.values()]).toEqual([{ publicKey: next, allowedIPs: ['10.213.0.20/32'] }]);
  });

  test('gives both up at once when it goes', () => {
    const table = tableOf(changing([old, next]));
    expect(table.set(KEY, undefined, NOW)).toEqual(new Set([old, next]));
    expect(table.wanted.size).toBe(0);
    expect(table.latestPair).toBe(Number.NEGATIVE_INFINITY);
  });

  test('goes on with its own key where the other is that of an older member', () => {
    const rival = member('rival', { key: 'next', created: '2026-01-01T00:00:00Z', address: '10.213.0.21' });
    const table = tableOf(changing([old, next]));
    table.see(seen({ [next]: 100 }));
    expect(table.set(keyOf(rival.metadata), rival, NOW)).toEqual(new Set([old, next]));
    expect(entriesOf(table)).toEqual({ [old]: ['10.213.0.20/32'], [next]: ['10.213.0.21/32'] });
    table.set(keyOf(rival.metadata), undefined, NOW);
    expect(entriesOf(table)).toEqual({ [old]: [], [next]: ['10.213.0.20/32'] });
  });

  test('is let in by its preshared key with both, and with neither without it', () => {
    const status = { publicKey: old, nextPublicKey: next, presharedKeyVersion: 'v1' };
    const spec = { publicKey: old, nextPublicKey: next, presharedKeySecretName: 'ada-psk' };
    const table = new PeerTable('default');
    table.set(KEY, member('ada', { spec, status }), NOW);
    expect([table.wanted.size, table.memberCount]).toEqual([0, 0]);
    expect(table.mount(new Map([['v1', 'a fingerprint']]))).toEqual(new Set([old, next]));
    expect([...table.wanted.values()].map(({ presharedKey }) => presharedKey?.file)).toEqual(['v1', 'v1']);
    expect(table.memberCount).toBe(1);
  });

  test('is noticed by the time at which it came', () => {
    const table = tableOf();
    table.set(KEY, changing([old, next]), NOW + 5);
    table.set(KEY, changing([old, next], { metadata: { resourceVersion: '101' } }), NOW + 9);
    expect(table.latestPair).toBe(NOW + 5);
  });
});

describe("a pinned peer, the node's own probe", () => {
  const probe = { publicKey: aKey('probe'), allowedIPs: ['10.213.0.15/32' as Cidr] };

  test('is in the table and stands for no member', () => {
    const table = tableOf(member('ada'));
    table.pin(probe);
    expect(table.wanted.get(probe.publicKey)).toEqual(probe);
    expect(table.memberWith(probe.publicKey)).toBeUndefined();
    expect(table.memberCount).toBe(1);
  });

  test('cannot be replaced or removed by a MeshPeer with its key', () => {
    const thief = member('thief', { key: 'probe' });
    const table = tableOf();
    table.pin(probe);
    table.set(keyOf(thief.metadata), thief, NOW);
    expect(entriesOf(table)).toEqual({ [probe.publicKey]: ['10.213.0.15/32'] });
    table.set(keyOf(thief.metadata), undefined, NOW);
    expect(entriesOf(table)).toEqual({ [probe.publicKey]: ['10.213.0.15/32'] });
  });

  test('has its address alone, also where the pool moved under a member', () => {
    const stale = member('stale', { address: '10.213.0.15' });
    const table = tableOf(stale);
    expect(table.pin(probe)).toEqual(new Set([probe.publicKey, aKey('stale')]));
    expect(entriesOf(table)).toEqual({ [probe.publicKey]: ['10.213.0.15/32'], [aKey('stale')]: [] });
    expect(table.pin(probe)).toEqual(new Set());
    expect(table.pin({ ...probe, allowedIPs: ['10.213.4.15/32' as Cidr] })).toContain(aKey('stale'));
    expect(entriesOf(table)).toEqual({ [probe.publicKey]: ['10.213.4.15/32'], [aKey('stale')]: ['10.213.0.15/32'] });
  });
});

describe('expiry', () => {
  const soon = member('soon', { spec: { expiresAt: '2026-08-01T12:00:10Z' }, address: '10.213.0.31' });
  const later = member('later', { spec: { expiresAt: '2026-08-01T12:01:00Z' }, address: '10.213.0.32' });
  const never = member('never', { address: '10.213.0.33' });

  test('takes out whoever has expired, and names the next', () => {
    const table = tableOf(soon, later, never);
    expect(table.nextExpiry()).toBe(NOW + 10_000);
    expect(table.expire(NOW + 9_999)).toEqual(new Set());
    expect(table.expire(NOW + 10_000)).toEqual(new Set([aKey('soon')]));
    expect(table.nextExpiry()).toBe(NOW + 60_000);
    expect(table.expire(NOW + 1e12)).toEqual(new Set([aKey('later')]));
    expect(table.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
    expect(Object.keys(entriesOf(table))).toEqual([aKey('never')]);
  });

  test('hands an address over to the rival of whoever expires', () => {
    const rival = member('rival', { created: '2026-07-02T00:00:00Z', address: '10.213.0.31' });
    const table = tableOf(soon, rival);
    expect(table.expire(NOW + 10_000)).toEqual(new Set([aKey('soon'), aKey('rival')]));
    expect(entriesOf(table)).toEqual({ [aKey('rival')]: ['10.213.0.31/32'] });
  });

  test('is undone when the clock had run ahead and was set back', () => {
    const table = tableOf(soon);
    table.expire(NOW + 1e12);
    expect(table.wanted.size).toBe(0);
    expect(table.expire(NOW)).toEqual(new Set([aKey('soon')]));
    expect(entriesOf(table)).toEqual({ [aKey('soon')]: ['10.213.0.31/32'] });
    expect(table.nextExpiry()).toBe(NOW + 10_000);
  });

  test('moves when expiresAt is edited', () => {
    const table = tableOf(soon);
    table.set(keyOf(soon.metadata), member('soon', { address: '10.213.0.31' }), NOW);
    expect(table.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
    expect(table.expire(NOW + 1e12)).toEqual(new Set());
  });

  test('does not count peers that are out for another reason', () => {
    const table = tableOf(member('held', { spec: { expiresAt: '2026-08-01T12:00:10Z', suspended: true } }));
    expect(table.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
    expect(table.expire(NOW)).toEqual(new Set());
  });
});

/** Few names, keys and addresses, so that random sequences collide all the time. */
const somePeer = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    key: fc.constantFrom('k1', 'k2', 'k3'),
    nextKey: fc.constantFrom(undefined, 'k1', 'k2', 'k3', 'k4'),
    addresses: fc.uniqueArray(fc.constantFrom('10.213.0.20', '10.213.0.21', '10.213.0.22', 'fd5a:11:22::20'), {
      minLength: 1,
      maxLength: 2,
    }),
    incarnation: fc.constantFrom(1, 2),
    expires: fc.constantFrom(undefined, 5, 10),
    suspended: fc.boolean(),
    accepted: fc.constantFrom('True' as const, 'True' as const, 'False' as const),
  })
  .map(({ name, key, nextKey, addresses, incarnation, expires, suspended, accepted }) =>
    member(name, {
      key,
      created: `2026-0${incarnation}-01T00:00:00Z`,
      metadata: { uid: `${name}-${incarnation}` },
      spec: {
        suspended,
        nextPublicKey: nextKey === undefined ? undefined : aKey(nextKey),
        ...(expires === undefined ? {} : { expiresAt: new Date(NOW + expires * 1000).toISOString() }),
      },
      status: {
        nextPublicKey: nextKey === undefined ? undefined : aKey(nextKey),
        addresses: [...addresses],
        conditions: [{ ...conditionOf(accepted) }],
      },
    }),
  );

function conditionOf(status: 'True' | 'False') {
  return { type: 'Accepted', status, reason: 'Accepted', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
}

/** Of each key, when it shook hands last. */
type Handshakes = Readonly<Record<string, number>>;
type Step =
  | { readonly peer: MeshPeer }
  | { readonly gone: string }
  | { readonly time: number }
  | { readonly shook: Handshakes };

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: somePeer.map((peer): Step => ({ peer })) },
    { weight: 2, arbitrary: fc.constantFrom('a', 'b', 'c', 'd').map((gone): Step => ({ gone })) },
    { weight: 2, arbitrary: fc.constantFrom(-3600, 0, 4, 5, 7, 10, 1e6).map((time): Step => ({ time })) },
    {
      weight: 2,
      arbitrary: fc
        .dictionary(fc.constantFrom('k1', 'k2', 'k3', 'k4'), fc.integer({ min: 0, max: 3 }))
        .map((shook): Step => ({ shook })),
    },
  ),
  { maxLength: 24 },
);

type KeyedStep = { readonly peer: MeshPeer } | { readonly mounted: readonly string[] };

/** Peers with keys of their own, whose preshared keys come, change and go, and reach the node or not. */
const keyedSteps = fc.array(
  fc.oneof(
    fc.record({ peer: somePeer, version: fc.constantFrom(undefined, 1, 2) }).map(({ peer, version }): KeyedStep => {
      const { name, uid } = peer.metadata;
      const presharedKeyVersion = version === undefined ? undefined : `${uid}-${version}`;
      const publicKey = aKey(name);
      const nextPublicKey = peer.spec.nextPublicKey === undefined ? undefined : aKey(`next ${name}`);
      return {
        peer: {
          ...peer,
          spec: { ...peer.spec, publicKey, nextPublicKey },
          status: { ...peer.status, publicKey, nextPublicKey, presharedKeyVersion },
        },
      };
    }),
    fc
      .subarray(['a', 'b', 'c', 'd'].flatMap((name) => [1, 2].flatMap((n) => [`${name}-${n}-1`, `${name}-${n}-2`])))
      .map((mounted): KeyedStep => ({ mounted })),
  ),
  { maxLength: 24 },
);

function keyedEntriesOf(table: PeerTable): Record<string, readonly string[]> {
  return Object.fromEntries(
    [...table.wanted.values()].map(({ publicKey, allowedIPs, presharedKey }) => [
      publicKey,
      [...allowedIPs, presharedKey?.file ?? ''],
    ]),
  );
}

/** Every entry has the preshared key that its member must have, or one that this very device had before, and one that is there. */
function expectOwnKeys(table: PeerTable, mounted: ReadonlySet<string>): void {
  for (const { publicKey, presharedKey } of table.wanted.values()) {
    const member = table.memberWith(publicKey);
    expect(presharedKey === undefined).toBe(member?.presharedKey === undefined);
    if (presharedKey === undefined || member === undefined) continue;
    expect(mounted.has(presharedKey.file)).toBe(true);
    expect(presharedKey.file.startsWith(`${member.peer.metadata.uid}-`)).toBe(true);
    if (mounted.has(member.presharedKey ?? '')) expect(presharedKey.file).toBe(member.presharedKey);
  }
  for (const { member, fingerprint } of table.keyedMembers())
    if (fingerprint !== undefined) expect(member.publicKeys.every((key) => table.wanted.has(key))).toBe(true);
}

describe('after any sequence of changes, with a clock that may jump either way', () => {
  test('the table is what a node makes from scratch, and no entry changed without its key being named', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const table = new PeerTable('default');
        const present = new Map<ObjectKey, MeshPeer>();
        let shook: Handshakes = {};
        let now = NOW;
        for (const step of sequence) {
          const before = entriesOf(table);
          const touched = new Set<string>();
          if ('time' in step) now = NOW + step.time * 1000;
          else if ('shook' in step) shook = step.shook;
          else take(step, present, (key, peer) => add(touched, table.set(key, peer, now)));
          add(touched, table.expire(now));
          const interfaceNow = seenPeers(table, shook);
          add(touched, table.see(interfaceNow));
          const fresh = peerTable('default', present.values(), now);
          fresh.see(interfaceNow);
          expect(entriesOf(table)).toEqual(entriesOf(fresh));
          expect(changedKeys(before, entriesOf(table)).filter((key) => !touched.has(key))).toEqual([]);
          expect(table.nextExpiry()).toBe(peerTable('default', present.values(), now).nextExpiry());
        }
      }),
      { numRuns: 400 },
    );
  });

  test('whoever must have a preshared key is in with one of its own that is there, or not at all', () => {
    fc.assert(
      fc.property(keyedSteps, (sequence) => {
        const table = new PeerTable('default');
        let mounted = new Set<string>();
        for (const step of sequence) {
          const before = keyedEntriesOf(table);
          const touched = new Set<string>();
          if ('mounted' in step) {
            mounted = new Set(step.mounted);
            add(touched, table.mount(new Map(step.mounted.map((version) => [version, `fingerprint of ${version}`]))));
          } else add(touched, table.set(keyOf(step.peer.metadata), step.peer, NOW));
          const after = keyedEntriesOf(table);
          expect(changedKeys(before, after).filter((key) => !touched.has(key))).toEqual([]);
          expectOwnKeys(table, mounted);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('no address is in two entries', () => {
    fc.assert(
      fc.property(fc.array(somePeer), (peers) => {
        const latest = new Map(peers.map((peer) => [keyOf(peer.metadata), peer]));
        const all = Object.values(entriesOf(peerTable('default', latest.values(), NOW))).flat();
        expect(new Set(all).size).toBe(all.length);
      }),
    );
  });
});

/** An interface that was brought to the table, whose peers shook hands so. */
function seenPeers(table: PeerTable, shook: Handshakes) {
  const seconds = new Map(Object.entries(shook).map(([key, at]) => [aKey(key), at]));
  return new Map(
    [...table.wanted.values()].map(({ publicKey, allowedIPs }) => [
      publicKey,
      { allowedIPs, latestHandshake: seconds.get(publicKey) ?? 0 },
    ]),
  );
}

function take(
  step: Exclude<Step, { readonly time: number } | { readonly shook: Handshakes }>,
  present: Map<ObjectKey, MeshPeer>,
  set: (key: ObjectKey, peer: MeshPeer | undefined) => void,
): void {
  if ('peer' in step) {
    present.set(keyOf(step.peer.metadata), step.peer);
    set(keyOf(step.peer.metadata), step.peer);
  } else {
    const key = `team-a/${step.gone}` as ObjectKey;
    present.delete(key);
    set(key, undefined);
  }
}

function add(all: Set<string>, some: Iterable<string>): void {
  for (const text of some) all.add(text);
}

function changedKeys(before: Record<string, readonly string[]>, after: Record<string, readonly string[]>): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]),
  );
}

describe('a member with a preshared key', () => {
  const keyed = (version: string, parts: PeerParts = {}) =>
    member('ada', { ...parts, status: { presharedKeyVersion: version } });
  const tableWith = (keys: Readonly<Record<string, string>>) => {
    const table = new PeerTable('default');
    table.set(KEY, keyed('one'), NOW);
    table.set('team-a/bob' as ObjectKey, member('bob', { address: '10.213.0.21' }), NOW);
    table.mount(new Map(Object.entries(keys)));
    return table;
  };
  const keyIn = (table: PeerTable) => table.wanted.get(aKey('ada'))?.presharedKey;
  const waiting = (table: PeerTable) =>
    [...table.keyedMembers()].filter(({ fingerprint }) => fingerprint === undefined).map(({ key }) => key);

  test('is out until its key has reached the node, and nobody else is', () => {
    const table = tableWith({});
    expect(Object.keys(entriesOf(table))).toEqual([aKey('bob')]);
    expect(table.memberCount).toBe(1);
    expect(waiting(table)).toEqual([KEY]);
    expect(table.mount(new Map([['one', 'fingerprint 1']]))).toEqual(new Set([aKey('ada')]));
    expect(keyIn(table)).toEqual({ file: 'one', fingerprint: 'fingerprint 1' });
    expect(table.memberCount).toBe(2);
    expect(waiting(table)).toEqual([]);
  });

  test('keeps its key until the next one is there', () => {
    const table = tableWith({ one: 'fingerprint 1' });
    table.set(KEY, keyed('two'), NOW);
    expect(keyIn(table)?.file).toBe('one');
    expect(waiting(table)).toEqual([KEY]);
    expect(table.mount(new Map([['two', 'fingerprint 2']]))).toEqual(new Set([aKey('ada')]));
    expect(keyIn(table)).toEqual({ file: 'two', fingerprint: 'fingerprint 2' });
  });

  test('does not get the key of one that had its name before', () => {
    const table = tableWith({ one: 'fingerprint 1' });
    table.set(KEY, keyed('two', { metadata: { uid: 'another' } }), NOW);
    expect(keyIn(table)).toBeUndefined();
    expect(Object.keys(entriesOf(table))).toEqual([aKey('bob')]);
  });

  test('is out when its key goes away', () => {
    const table = tableWith({ one: 'fingerprint 1' });
    expect(table.mount(new Map())).toEqual(new Set([aKey('ada')]));
    expect(table.wanted.has(aKey('ada'))).toBe(false);
  });

  test('is let in without one again when it has none', () => {
    const table = tableWith({ one: 'fingerprint 1' });
    expect(table.set(KEY, member('ada'), NOW)).toEqual(new Set([aKey('ada')]));
    expect(table.wanted.get(aKey('ada'))).toEqual({ publicKey: aKey('ada'), allowedIPs: ['10.213.0.20/32'] });
    expect(table.mount(new Map())).toEqual(new Set());
  });

  test('is not touched by the keys of others', () => {
    const table = tableWith({ one: 'fingerprint 1' });
    expect(
      table.mount(
        new Map([
          ['one', 'fingerprint 1'],
          ['other', 'fingerprint 3'],
        ]),
      ),
    ).toEqual(new Set());
  });
});

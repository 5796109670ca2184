import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf, type ObjectKey } from '../../src/api/resource.ts';
import { Claims, type Grant } from '../../src/mesh/claims.ts';
import { aCondition, aKey, aPeer, type PeerParts } from '../support/builders.ts';

const OLD = '2026-01-01T00:00:00Z';
const YOUNG = '2026-02-01T00:00:00Z';
const ADDRESS = '10.213.0.50';
const OTHER = '10.213.0.51';

/** Reasons that only the peer itself, its namespace or a platform engineer can mend. */
const HOPELESS = [
  'Suspended',
  'Expired',
  'NamespaceNotAdmitted',
  'GatewayNotFound',
  'InvalidKey',
  'AddressOutsidePool',
  'NoGateway',
];

function claimsOf(...peers: readonly MeshPeer[]): Claims {
  const claims = new Claims();
  for (const peer of peers) claims.set(keyOf(peer.metadata), peer);
  return claims;
}

function winner(claims: Claims, claim: string): string | undefined {
  return claims.winnerOf(claim)?.metadata.name;
}

/** A peer that the operator has accepted with this key and these addresses. */
function holder(name: string, grant: { readonly key?: string; readonly addresses?: string[] }, parts: PeerParts = {}) {
  const publicKey = aKey(grant.key ?? name);
  return aPeer({
    name,
    ...parts,
    spec: { publicKey, ...parts.spec },
    status: {
      publicKey,
      addresses: grant.addresses ?? [],
      conditions: [aCondition('Accepted', 'True', { reason: 'Accepted' })],
    },
  });
}

/** A peer that asks and has nothing. */
function asker(name: string, parts: PeerParts & { readonly key?: string } = {}) {
  return aPeer({ name, ...parts, spec: { publicKey: aKey(parts.key ?? name), ...parts.spec } });
}

describe('the next key of a device', () => {
  const changing = (name: string, next: string, parts: PeerParts = {}) =>
    holder(name, {}, { ...parts, spec: { nextPublicKey: aKey(next), ...parts.spec } });

  test('is claimed like its key: by the oldest who asks for it as either', () => {
    const old = changing('old', 'same', { created: OLD });
    const young = asker('young', { key: 'same', created: YOUNG });
    expect(winner(claimsOf(young, old), aKey('same'))).toBe('old');
    expect(winner(claimsOf(young, old), aKey('old'))).toBe('old');
  });

  test('stays with the one who has it in status, whoever is older', () => {
    const young = holder('young', {}, { created: YOUNG });
    const held = { ...young, status: { ...young.status, nextPublicKey: aKey('same') } };
    expect(winner(claimsOf(asker('old', { key: 'same', created: OLD }), held), aKey('same'))).toBe('young');
  });

  test('is free for the next in line when it is taken back, who is told to look again', () => {
    const claims = claimsOf(changing('old', 'same', { created: OLD }), asker('young', { key: 'same', created: YOUNG }));
    const touched = claims.set('team-a/old' as ObjectKey, holder('old', {}, { created: OLD }));
    expect(touched).toEqual(new Set(['team-a/young']));
    expect(winner(claims, aKey('same'))).toBe('young');
  });

  test('counts from the decision on, before the API server has told it back', () => {
    const claims = claimsOf(holder('ada', {}), asker('old', { key: 'same', created: OLD }));
    const grant = { publicKey: aKey('ada'), nextPublicKey: aKey('same'), addresses: [] };
    claims.grant('team-a/ada' as ObjectKey, grant);
    expect(winner(claims, aKey('same'))).toBe('ada');
  });
});

describe('a claim that nobody holds', () => {
  const old = asker('old', { key: 'same', created: OLD, spec: { addresses: [ADDRESS] } });
  const young = asker('young', { key: 'same', created: YOUNG, spec: { addresses: [ADDRESS] } });

  test.each([aKey('same'), ADDRESS])('goes to the oldest who asks, in whatever order they come: %s', (claim) => {
    expect(winner(claimsOf(old, young), claim)).toBe('old');
    expect(winner(claimsOf(young, old), claim)).toBe('old');
    expect(claimsOf(old, young).isTakenFrom(keyOf(young.metadata), claim)).toBe(true);
    expect(claimsOf(old, young).isTakenFrom(keyOf(old.metadata), claim)).toBe(false);
  });

  test('goes to the next when the oldest goes, who is told', () => {
    const claims = claimsOf(old, young);
    expect(claims.set(keyOf(old.metadata), undefined)).toEqual(new Set([keyOf(young.metadata)]));
    expect(winner(claims, ADDRESS)).toBe('young');
  });

  test('belongs to nobody when nobody asks', () => {
    expect(claimsOf().winnerOf(ADDRESS)).toBeUndefined();
    expect(claimsOf().isTakenFrom('team-a/x' as ObjectKey, ADDRESS)).toBe(false);
  });

  test('is the same claim in every spelling of an address', () => {
    const odd = asker('odd', { created: OLD, spec: { addresses: ['FD5A:11:22::0050'] } });
    const plain = asker('plain', { created: YOUNG, spec: { addresses: ['fd5a:11:22::50'] } });
    expect(winner(claimsOf(plain, odd), 'fd5a:11:22::50')).toBe('odd');
  });
});

describe('a claim that somebody holds', () => {
  test('stays with the holder, however old the others are', () => {
    const holds = holder('holds', { key: 'same', addresses: [ADDRESS] }, { created: YOUNG });
    const old = asker('old', { key: 'same', created: OLD, spec: { addresses: [ADDRESS] } });
    const claims = claimsOf(old, holds);
    expect(winner(claims, aKey('same'))).toBe('holds');
    expect(winner(claims, ADDRESS)).toBe('holds');
  });

  test('stays with the oldest where two hold it, as after a restored backup', () => {
    const a = holder('a', { addresses: [ADDRESS] }, { created: YOUNG });
    const b = holder('b', { addresses: [ADDRESS] }, { created: OLD });
    expect(winner(claimsOf(a, b), ADDRESS)).toBe('b');
  });

  test('stays with a peer that is being deleted until it is gone', () => {
    const leaving = holder('leaving', { addresses: [ADDRESS] }, { metadata: { deletionTimestamp: OLD } });
    const claims = claimsOf(leaving, asker('next', { created: OLD, spec: { addresses: [ADDRESS] } }));
    expect(winner(claims, ADDRESS)).toBe('leaving');
    claims.set(keyOf(leaving.metadata), undefined);
    expect(winner(claims, ADDRESS)).toBe('next');
  });

  test('an address stays with a peer that wishes for another until it has it, because nodes still let it in with the old one', () => {
    const moving = holder('moving', { addresses: [ADDRESS] }, { created: YOUNG, spec: { addresses: [OTHER] } });
    const old = asker('old', { created: OLD, spec: { addresses: [ADDRESS] } });
    const claims = claimsOf(moving, old);
    expect(winner(claims, ADDRESS)).toBe('moving');
    const moved = holder('moving', { addresses: [OTHER] }, { created: YOUNG, spec: { addresses: [OTHER] } });
    expect(claims.set(keyOf(moved.metadata), moved)).toEqual(new Set([keyOf(old.metadata)]));
    expect(winner(claims, ADDRESS)).toBe('old');
  });

  test('a key stays with a peer that was given another until nodes have it', () => {
    const rolled = aPeer({
      name: 'rolled',
      created: YOUNG,
      spec: { publicKey: aKey('new') },
      status: { publicKey: aKey('old') },
    });
    expect(winner(claimsOf(rolled, asker('thief', { key: 'old', created: OLD })), aKey('old'))).toBe('rolled');
  });

  test('cannot be got back by an edit once another peer got it', () => {
    const first = holder('first', { addresses: [OTHER] }, { created: OLD, spec: { addresses: [OTHER] } });
    const second = holder('second', { addresses: [ADDRESS] }, { created: YOUNG });
    const claims = claimsOf(first, second);
    const edited = aPeer({ ...partsOf(first), spec: { publicKey: first.spec.publicKey, addresses: [ADDRESS] } });
    claims.set(keyOf(edited.metadata), edited);
    expect(winner(claims, ADDRESS)).toBe('second');
  });
});

function partsOf({ metadata, status }: MeshPeer): PeerParts {
  return { name: metadata.name, created: metadata.creationTimestamp, status };
}

describe('a peer that is refused for what only it can mend', () => {
  const refusedFor = (reason: string, observedGeneration = 1) =>
    asker('refused', {
      key: 'same',
      created: OLD,
      spec: { addresses: [ADDRESS] },
      status: { conditions: [aCondition('Accepted', 'False', { reason, observedGeneration })] },
    });
  const good = asker('good', { key: 'same', created: YOUNG, spec: { addresses: [ADDRESS] } });

  test.each(HOPELESS)('keeps nobody from a key or an address: %s', (reason) => {
    const claims = claimsOf(refusedFor(reason), good);
    expect(winner(claims, aKey('same'))).toBe('good');
    expect(winner(claims, ADDRESS)).toBe('good');
  });

  test.each(['DuplicateKey', 'AddressTaken', 'PoolExhausted'])(
    'still asks when a change of another peer may mend it: %s',
    (reason) => expect(winner(claimsOf(refusedFor(reason), good), ADDRESS)).toBe('refused'),
  );

  test('asks again once it was edited', () => {
    expect(winner(claimsOf(refusedFor('InvalidKey', 0), good), ADDRESS)).toBe('refused');
  });

  test('wakes its rivals when it is refused', () => {
    const claims = claimsOf(asker('refused', { key: 'same', created: OLD }), good);
    expect(claims.set(keyOf(refusedFor('NoGateway').metadata), refusedFor('NoGateway'))).toContain(
      keyOf(good.metadata),
    );
  });

  test('keeps what it holds, so that it is the same device when it comes back', () => {
    const held = aPeer({
      name: 'held',
      created: YOUNG,
      status: {
        publicKey: aKey('team-a/held'),
        addresses: [ADDRESS],
        conditions: [aCondition('Accepted', 'False', { reason: 'NoGateway', observedGeneration: 1 })],
      },
    });
    const old = asker('old', { key: 'team-a/held', created: OLD, spec: { addresses: [ADDRESS] } });
    expect(winner(claimsOf(held, old), ADDRESS)).toBe('held');
    expect(winner(claimsOf(held, old), aKey('team-a/held'))).toBe('held');
  });
});

describe('a decision that the API server has not told back', () => {
  const peer = asker('peer', { created: YOUNG });
  const key = keyOf(peer.metadata);
  const grant: Grant = { publicKey: peer.spec.publicKey, addresses: [ADDRESS] };
  const rival = asker('rival', { created: OLD });
  const rivalWishing = asker('rival', { created: OLD, spec: { addresses: [ADDRESS] } });

  test('counts at once, also against an older peer that asks for the same now', () => {
    const claims = claimsOf(peer, rival);
    claims.grant(key, grant);
    claims.set(keyOf(rival.metadata), rivalWishing);
    expect(winner(claims, ADDRESS)).toBe('peer');
  });

  test('is forgotten when it could not be stored', () => {
    const claims = claimsOf(peer, rival);
    claims.grant(key, grant);
    claims.withdraw(key);
    expect(claims.winnerOf(ADDRESS)).toBeUndefined();
  });

  test('survives an older state of the peer that comes in between', () => {
    const claims = claimsOf(peer, rival);
    claims.grant(key, grant);
    claims.set(key, asker('peer', { created: YOUNG, spec: { owner: 'me' } }));
    expect(winner(claims, ADDRESS)).toBe('peer');
  });

  test('gives way to what is stored once that says the same', () => {
    const claims = claimsOf(peer);
    claims.grant(key, grant);
    claims.set(key, holder('peer', { addresses: [ADDRESS] }));
    claims.set(key, holder('peer', { addresses: [OTHER] }));
    expect(claims.winnerOf(ADDRESS)).toBeUndefined();
    expect(winner(claims, OTHER)).toBe('peer');
  });

  test('goes with the peer', () => {
    const claims = claimsOf(peer);
    claims.grant(key, grant);
    claims.set(key, undefined);
    claims.set(key, peer);
    expect(claims.winnerOf(ADDRESS)).toBeUndefined();
  });
});

/** The same rules, said over a plain list. */
function naiveWinner(
  peers: readonly MeshPeer[],
  grants: ReadonlyMap<string, Grant>,
  claim: string,
): string | undefined {
  const holds = (peer: MeshPeer) => {
    const held = grants.get(keyOf(peer.metadata)) ?? peer.status;
    return held?.publicKey === claim || (held?.addresses ?? []).includes(claim);
  };
  const asks = (peer: MeshPeer) => {
    const refused = (peer.status?.conditions ?? []).some(
      ({ reason, observedGeneration }) =>
        HOPELESS.includes(reason) && observedGeneration === (peer.metadata.generation ?? 0),
    );
    const stored = peer.status?.publicKey === claim || (peer.status?.addresses ?? []).includes(claim);
    const wished = peer.spec.publicKey === claim || (peer.spec.addresses ?? []).includes(claim);
    return stored || (wished && !refused);
  };
  const byAge = [...peers].sort((a, b) => (ageText(a) < ageText(b) ? -1 : 1));
  return (byAge.find(holds) ?? byAge.find(asks))?.metadata.name;
}

function ageText({ metadata }: MeshPeer): string {
  return `${metadata.creationTimestamp} ${metadata.namespace}/${metadata.name}`;
}

const NAMES = ['a', 'b', 'c'];
const KEYS = ['k1', 'k2'].map(aKey);
const ADDRESSES = [ADDRESS, OTHER];
const name = fc.constantFrom(...NAMES);
const someGrant = fc.record({
  publicKey: fc.constantFrom(...KEYS),
  addresses: fc.subarray(ADDRESSES, { maxLength: 1 }),
});

const someMoment = fc
  .record({
    name,
    key: fc.constantFrom(...KEYS),
    wish: fc.subarray(ADDRESSES, { minLength: 0, maxLength: 1 }),
    status: fc.option(someGrant, { nil: undefined }),
    created: fc.constantFrom(OLD, YOUNG),
    reason: fc.constantFrom('Accepted', 'NoGateway', 'AddressTaken'),
  })
  .map(({ name, key, wish, status, created, reason }) =>
    aPeer({
      name,
      created,
      spec: { publicKey: key, ...(wish.length === 0 ? {} : { addresses: wish }) },
      status: {
        ...status,
        conditions: [
          aCondition('Accepted', reason === 'Accepted' ? 'True' : 'False', { reason, observedGeneration: 1 }),
        ],
      },
    }),
  );

type Step =
  | { readonly set: MeshPeer }
  | { readonly gone: string }
  | { readonly grant: Grant; readonly to: string }
  | { readonly withdraw: string };

const someSteps = fc.array(
  fc.oneof(
    someMoment.map((set): Step => ({ set })),
    name.map((gone): Step => ({ gone })),
    fc.tuple(someGrant, name).map(([grant, to]): Step => ({ grant, to })),
    name.map((withdraw): Step => ({ withdraw })),
  ),
  { maxLength: 20 },
);

describe('after any sequence of changes and decisions', () => {
  test('winners are those of the rules said over a plain list, and whoever another change concerns is named', () => {
    fc.assert(
      fc.property(someSteps, (steps) => {
        const claims = new Claims();
        const peers = new Map<string, MeshPeer>();
        const grants = new Map<string, Grant>();
        for (const step of steps) {
          const before = winnersOf(claims);
          const told = take(step, claims, peers, grants);
          for (const claim of [...KEYS, ...ADDRESSES])
            expect(winner(claims, claim)).toBe(naiveWinner([...peers.values()], grants, claim));
          if (told === undefined) continue;
          const concerned = changes(before, winnersOf(claims)).filter((other) => other !== told.changed);
          expect(concerned.filter((other) => peers.has(other) && !told.rivals.has(other as ObjectKey))).toEqual([]);
        }
      }),
      { numRuns: 400 },
    );
  });
});

function winnersOf(claims: Claims): readonly (string | undefined)[] {
  return [...KEYS, ...ADDRESSES].map((claim) => winner(claims, claim));
}

/** Keys of peers that won or lost something. */
function changes(before: readonly (string | undefined)[], after: readonly (string | undefined)[]): string[] {
  const names = before.flatMap((name, index) => (name === after[index] ? [] : [name, after[index]]));
  return names.flatMap((name) => (name === undefined ? [] : [`team-a/${name}`]));
}

function take(step: Step, claims: Claims, peers: Map<string, MeshPeer>, grants: Map<string, Grant>) {
  if ('grant' in step) {
    const key = `team-a/${step.to}` as ObjectKey;
    if (!peers.has(key)) return undefined;
    grants.set(key, step.grant);
    claims.grant(key, step.grant);
    return undefined;
  }
  if ('withdraw' in step) {
    grants.delete(`team-a/${step.withdraw}`);
    claims.withdraw(`team-a/${step.withdraw}` as ObjectKey);
    return undefined;
  }
  const key = ('set' in step ? keyOf(step.set.metadata) : `team-a/${step.gone}`) as ObjectKey;
  const peer = 'set' in step ? step.set : undefined;
  if (peer === undefined) peers.delete(key);
  else peers.set(key, peer);
  const grant = grants.get(key);
  if (grant !== undefined && (peer === undefined || tellsBack(peer, grant))) grants.delete(key);
  return { changed: key, rivals: claims.set(key, peer) };
}

function tellsBack({ status }: MeshPeer, grant: Grant): boolean {
  return status?.publicKey === grant.publicKey && JSON.stringify(status.addresses) === JSON.stringify(grant.addresses);
}

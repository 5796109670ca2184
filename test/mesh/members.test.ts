import { describe, expect, test } from 'vitest';
import type { MeshPeerStatus } from '../../src/api/meshpeer.ts';
import { expiryOf, isAwaited, isRevoked, memberOf, membershipOf } from '../../src/mesh/members.ts';
import { aCondition, aKey, aMember, aPeer, NOW } from '../support/builders.ts';

const EXPIRY = '2026-08-01T12:00:00Z';

describe('a gateway lets a peer in', () => {
  test('when the operator has accepted it, given it addresses and named the gateway', () => {
    const peer = aMember({ address: '10.213.0.20' });
    expect(memberOf('default', peer, NOW)).toEqual({
      peer,
      publicKeys: [peer.spec.publicKey],
      addresses: ['10.213.0.20/32'],
    });
  });

  test.each([
    ['stored twice', ['10.213.0.20', '10.213.0.20'], ['10.213.0.20/32']],
    ['stored in another spelling', ['FD5A:11:22::0020', 'fd5a:11:22::20'], ['fd5a:11:22::20/128']],
    ['stored beside nonsense', ['nonsense', '10.213.0.20'], ['10.213.0.20/32']],
  ])('with one prefix for an address that is %s', (_how, addresses, prefixes) => {
    expect(memberOf('default', aMember({ status: { addresses } }), NOW)?.addresses).toEqual(prefixes);
  });

  test('and another gateway does not', () => {
    expect(memberOf('office', aMember(), NOW)).toBeUndefined();
  });
});

describe("only the operator's word lets in", () => {
  test.each<[string, MeshPeerStatus]>([
    ['a peer that is not accepted', { conditions: [aCondition('Accepted', 'False')] }],
    ['a peer about which the operator is unsure', { conditions: [aCondition('Accepted', 'Unknown')] }],
    ['a peer that only another condition speaks for', { conditions: [aCondition('Programmed', 'True')] }],
    ['a peer without conditions', { conditions: [] }],
    ['a peer that no gateway is named for', { gateways: [] }],
    ['a peer without addresses', { addresses: [] }],
    ['a peer whose stored addresses are none', { addresses: ['nonsense'] }],
    ['a peer whose stored key is none, which would make a whole batch of peers fail', { publicKey: 'nonsense' }],
    ['a peer whose stored key has low order', { publicKey: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' }],
  ])('not %s', (_what, status) => {
    expect(memberOf('default', aMember({ status }), NOW)).toBeUndefined();
  });

  test('not a peer that nobody has judged', () => {
    expect(memberOf('default', aPeer({ spec: { gateways: ['default'] } }), NOW)).toBeUndefined();
  });
});

describe("the object's own word lets out, whatever the operator once said", () => {
  test.each([
    ['deletion', aMember({ metadata: { deletionTimestamp: '2026-08-01T11:59:59Z' } })],
    ['suspension', aMember({ spec: { suspended: true } })],
    ['expiry', aMember({ spec: { expiresAt: EXPIRY } })],
    ['an expiry that nobody can read', aMember({ spec: { expiresAt: 'tomorrow' } })],
    [
      'another key in spec: the old one may be in the wrong hands',
      aMember({ spec: { publicKey: aKey('new') }, status: { publicKey: aKey('old') } }),
    ],
    ['a list of gateways without this one', aMember({ spec: { gateways: ['office'] } })],
  ])('%s', (_why, peer) => {
    expect(memberOf('default', peer, NOW)).toBeUndefined();
  });

  test('an empty list of gateways cannot be written, and no list means every gateway', () => {
    expect(memberOf('default', aMember({ spec: { gateways: ['office', 'default'] } }), NOW)).toBeDefined();
  });
});

describe('a device that changes its key', () => {
  const [old, next] = [aKey('old'), aKey('next')];

  test.each<[string, readonly (string | undefined)[], readonly (string | undefined)[], readonly string[]]>([
    ['both keys, once both are accepted', [old, next], [old, next], [old, next]],
    ['the first alone, until the second is accepted', [old, next], [old], [old]],
    ['the next alone as soon as it is the only one, whatever the operator last said', [next], [old, next], [next]],
    ['both in the order of the spec after they changed places', [next, old], [old, next], [next, old]],
    ['the next alone when the first became a third one', [aKey('third'), next], [old, next], [next]],
    ['nobody by a second key that was taken back', [aKey('third')], [old, next], []],
    ['once a key that stands in both fields', [old, old], [old, old], [old]],
    ['the first alone when the second is none', [old, 'nonsense'], [old, 'nonsense'], [old]],
  ])('is let in with %s', (_what, [publicKey = '', nextPublicKey], [accepted, nextAccepted], keys) => {
    const peer = aMember({
      spec: { publicKey, nextPublicKey },
      status: { publicKey: accepted, nextPublicKey: nextAccepted },
    });
    expect(memberOf('default', peer, NOW)?.publicKeys ?? []).toEqual(keys);
    expect(memberOf('default', membershipOf(peer), NOW)?.publicKeys ?? []).toEqual(keys);
  });

  test.each([
    ['deletion', { metadata: { deletionTimestamp: '2026-08-01T11:59:59Z' } }],
    ['suspension', { spec: { suspended: true } }],
    ['expiry', { spec: { expiresAt: EXPIRY } }],
  ])('is out with both by %s', (_why, parts) => {
    const spec = { publicKey: old, nextPublicKey: next, ...('spec' in parts ? parts.spec : {}) };
    expect(
      memberOf('default', aMember({ ...parts, spec, status: { publicKey: old, nextPublicKey: next } }), NOW),
    ).toBeUndefined();
  });
});

describe('the moment of expiry', () => {
  const peer = aMember({ spec: { expiresAt: EXPIRY } });

  test.each([
    ['one millisecond before', -1, false],
    ['the moment itself', 0, true],
    ['one millisecond after', 1, true],
    ['long after', 1e12, true],
  ])('%s', (_when, offset, revoked) => {
    expect(isRevoked(peer, Date.parse(EXPIRY) + offset)).toBe(revoked);
    expect(memberOf('default', peer, Date.parse(EXPIRY) + offset) === undefined).toBe(revoked);
  });

  test.each([
    ['in UTC', '2026-08-01T12:00:00Z', NOW],
    ['with an offset', '2026-08-01T14:00:00+02:00', NOW],
    ['with a fraction', '2026-08-01T12:00:00.250Z', NOW + 250],
    ['with nanoseconds', '2026-08-01T12:00:00.250999999Z', NOW + 250],
  ])('%s', (_how, expiresAt, moment) => {
    expect(expiryOf(aPeer({ spec: { expiresAt } }))).toBe(moment);
  });

  test('is never without expiresAt, and always past when expiresAt cannot be read', () => {
    expect(expiryOf(aPeer())).toBe(Number.POSITIVE_INFINITY);
    expect(expiryOf(aPeer({ spec: { expiresAt: 'tomorrow' } }))).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('what an agent keeps of a peer', () => {
  test.each([
    ['let in', aMember()],
    ['refused', aMember({ status: { conditions: [aCondition('Accepted', 'False')] } })],
    ['unjudged', aPeer()],
    ['suspended', aMember({ spec: { suspended: true } })],
    ['expired', aMember({ spec: { expiresAt: EXPIRY } })],
    ['being deleted', aMember({ metadata: { deletionTimestamp: EXPIRY } })],
  ])('makes the same of a peer that is %s', (_what, peer) => {
    const whole = memberOf('default', peer, NOW);
    const kept = memberOf('default', membershipOf(peer), NOW);
    expect(kept && { ...kept, peer: null }).toEqual(whole && { ...whole, peer: null });
    expect(isRevoked(membershipOf(peer), NOW)).toBe(isRevoked(peer, NOW));
  });

  test.each([
    ['that no node holds yet', [aCondition('Accepted', 'True')], true],
    ['that a node does not hold yet', [aCondition('Accepted', 'True'), aCondition('Programmed', 'False')], true],
    ['that all nodes hold', [aCondition('Accepted', 'True'), aCondition('Programmed', 'True')], false],
    ['that is not let in', [aCondition('Accepted', 'False'), aCondition('Programmed', 'False')], false],
  ])('says the same of a peer %s', (_what, conditions, awaited) => {
    const peer = aMember({ status: { conditions } });
    expect(isAwaited(peer)).toBe(awaited);
    expect(isAwaited(membershipOf(peer))).toBe(awaited);
  });

  test('is without what people read', () => {
    const conditions = [aCondition('Accepted', 'True'), aCondition('Connected', 'False')];
    const kept = membershipOf(aMember({ status: { config: '[Interface]', connections: [], conditions } }));
    expect(JSON.stringify(kept)).not.toMatch(/Interface|connections|Connected/);
  });
});

describe('a peer that asks for a preshared key', () => {
  const spec = { presharedKeySecretName: 'ada-psk' };

  test('is a member only with the version that the operator has said', () => {
    expect(memberOf('default', aMember({ spec }), NOW)).toBeUndefined();
    const told = aMember({ spec, status: { presharedKeyVersion: 'version-1' } });
    expect(memberOf('default', told, NOW)?.presharedKey).toBe('version-1');
    expect(memberOf('default', membershipOf(told), NOW)?.presharedKey).toBe('version-1');
  });

  test('and takes that back still needs it until the operator agrees', () => {
    const peer = aMember({ status: { presharedKeyVersion: 'version-1' } });
    expect(memberOf('default', peer, NOW)?.presharedKey).toBe('version-1');
  });
});

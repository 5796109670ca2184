import { describe, expect, test } from 'vitest';
import type { MeshPeer } from '../../../src/api/meshpeer.ts';
import {
  type AuditedSession,
  decisionLines,
  membershipLines,
  sessionLines,
} from '../../../src/mesh/audit/lifecycle.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { aMember, aPeer, NOW } from '../../support/builders.ts';

const PEER = { namespace: 'team-a', name: 'ada' };
const OFFICE = '198.51.100.7:40000' as Endpoint;
const TRAIN = '203.0.113.9:1024' as Endpoint;

describe('sessions', () => {
  const at = (endpoint?: Endpoint): ReadonlyMap<string, AuditedSession> =>
    new Map(
      endpoint === undefined ? [] : [['team-a/ada', { peer: PEER, endpoint, lastHandshake: '2026-07-01T00:00:00Z' }]],
    );

  test.each([
    ['begins', at(), at(OFFICE), [{ event: 'connected', endpoint: OFFICE }]],
    ['goes on', at(OFFICE), at(OFFICE), []],
    ['has another address', at(OFFICE), at(TRAIN), [{ event: 'roamed', endpoint: TRAIN }]],
    ['falls silent', at(OFFICE), at(), [{ event: 'idle', peer: PEER }]],
  ])('one that %s', (_what, before, after, lines) => {
    const told = sessionLines(before, after, true);
    expect(told).toHaveLength(lines.length);
    expect(told).toMatchObject(lines);
  });

  test('are told without addresses where the gateway says so', () => {
    expect(
      JSON.stringify([...sessionLines(at(), at(OFFICE), false), ...sessionLines(at(OFFICE), at(TRAIN), false)]),
    ).not.toMatch(/endpoint|198\.51|203\.0/);
  });
});

describe('a device', () => {
  const member = aMember();
  const told = (before: MeshPeer | undefined, after: MeshPeer | undefined, now = NOW) =>
    membershipLines('default', { before, after }, now);
  const with_ = (spec: Parameters<typeof aMember>[0]) => aMember(spec);

  test.each([
    ['is let in', undefined, member, [{ event: 'let-in', peer: PEER, addresses: ['10.213.0.20'] }]],
    ['stays', member, member, []],
    ['waits for the operator', undefined, aPeer(), []],
    ['is deleted', member, undefined, [{ event: 'put-out', peer: PEER, reason: 'Deleted' }]],
    [
      'is suspended',
      member,
      with_({ spec: { suspended: true } }),
      [{ event: 'put-out', peer: PEER, reason: 'Suspended' }],
    ],
    [
      'expires',
      member,
      with_({ spec: { expiresAt: new Date(NOW).toISOString() } }),
      [{ event: 'put-out', peer: PEER, reason: 'Expired' }],
    ],
    ['is refused from now on', member, aPeer(), [{ event: 'put-out', peer: PEER, reason: 'NotAccepted' }]],
  ])('that %s', (_what, before, after, lines) => {
    expect(told(before, after)).toEqual(lines);
  });

  test('that is suspended is put out by the program that wrote last', () => {
    const after = aMember({ spec: { suspended: true }, metadata: { writtenBy: 'kubectl-edit' } });
    expect(told(member, after)).toMatchObject([{ reason: 'Suspended', by: 'kubectl-edit' }]);
  });

  test('of the same name as one before it is another one', () => {
    const other = aMember({ metadata: { uid: 'another' } });
    expect(told(member, other)).toMatchObject([{ event: 'put-out', reason: 'Replaced' }, { event: 'let-in' }]);
  });
});

describe('the operator', () => {
  const peer = aMember({ metadata: { writtenBy: 'kubectl-edit' } });
  const lastTransitionTime = new Date(NOW).toISOString();
  const condition = (status: 'True' | 'False', reason: string) =>
    ({ type: 'Accepted', status, reason, message: '', lastTransitionTime }) as const;
  const accepted = condition('True', 'Accepted');

  test.each([
    ['accepts a device', undefined, accepted, [{ event: 'admitted', reason: 'Accepted', by: 'kubectl-edit' }]],
    ['goes on accepting it', accepted, accepted, []],
    [
      'refuses one that somebody suspended',
      accepted,
      condition('False', 'Suspended'),
      [{ event: 'rejected', reason: 'Suspended', by: 'kubectl-edit' }],
    ],
    [
      'refuses one that has expired, by nobody',
      accepted,
      condition('False', 'Expired'),
      [{ event: 'rejected', reason: 'Expired' }],
    ],
  ])('%s', (_what, before, after, lines) => {
    expect(decisionLines(peer, before, after)).toEqual(lines.map((line) => ({ peer: PEER, ...line })));
  });
});

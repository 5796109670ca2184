import { describe, expect, test } from 'vitest';
import { REASONS } from '../../src/api/conditions.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshGatewayNodeStatus } from '../../src/api/meshgatewaynode.ts';
import { hostEndpoints, placeWithOwnPort } from '../../src/mesh/endpoints.ts';
import { type HeldKeys, judgeKeys, type KeyFindings, type Supplied } from '../../src/mesh/gateway-keys.ts';
import { secondPort } from '../../src/mesh/key-slots.ts';
import { aGateway, aKey, aNode, aReport, type GatewayParts, NOW } from '../support/builders.ts';

const [FIRST, SECOND, THIRD] = ['first', 'second', 'third'].map(aKey) as [never, never, never];
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const current = { publicKey: FIRST, slot: 1 } as const;
const next = { publicKey: SECOND, slot: 2, state: 'Next' } as const;
const has = (publicKey: string): Supplied => ({ kind: 'key', publicKey: publicKey as never });

function gateway(keyRotation: object = {}, spec: GatewayParts['spec'] = {}): MeshGateway {
  return aGateway({ spec: { ...spec, keyRotation: { overlap: '7d', hosts: [], ...keyRotation } } });
}

function judged(parts: Partial<KeyFindings>, now = NOW) {
  const findings = { gateway: gateway(), held: { current }, supplied: has(FIRST), nodes: [], lingering: [], ...parts };
  return judgeKeys(findings, now);
}

const node = (name: string, status: MeshGatewayNodeStatus, alive = true) => aReport({ node: name, status, alive });
const rotating = (since: number): HeldKeys => ({
  current: { publicKey: SECOND, slot: 2 },
  other: { ...current, state: 'Former', since },
});

describe('another key in the Secret', () => {
  test('is on its way first, in the other slot, and devices are told the one before', () => {
    expect(judged({ supplied: has(SECOND) })).toMatchObject({
      held: { current, other: next },
      verdict: { status: 'False', reason: 'WaitingForNodes', message: expect.stringContaining('no node is up') },
    });
  });

  test.each([
    ['has not got it', [node('a', { publicKey: FIRST, otherPublicKey: SECOND }), node('b', { publicKey: FIRST })]],
    ['has it, and nothing else works', [node('a', { publicKey: FIRST, otherPublicKey: SECOND, conditions: [] })]],
    ['is up', []],
  ])('is not told while a node %s, or none', (_what, nodes) => {
    const held = { current, other: next };
    expect(judged({ held, supplied: has(SECOND), nodes }).held).toEqual(held);
  });

  test('is told once every node that is up has it; the one before holds, and keeps its slot', () => {
    const nodes = [
      node('a', { publicKey: FIRST, otherPublicKey: SECOND }),
      node('b', { publicKey: SECOND }),
      node('dead', { publicKey: FIRST }, false),
    ];
    const { held, verdict, until } = judged({ held: { current, other: next }, supplied: has(SECOND), nodes });
    expect(held).toEqual({
      current: { publicKey: SECOND, slot: 2 },
      other: { publicKey: FIRST, slot: 1, state: 'Former', since: NOW },
    });
    expect(verdict).toMatchObject({ status: 'True', reason: 'Rotating' });
    expect(until).toBe(NOW + 7 * DAY);
  });

  test('may be taken back, or replaced by yet another one, as long as nobody was told', () => {
    const held = { current, other: next };
    expect(judged({ held, supplied: has(FIRST) }).held).toEqual({ current });
    expect(judged({ held, supplied: has(THIRD) }).held.other).toEqual({ ...next, publicKey: THIRD });
  });

  test('goes back to the first slot when it is the next one after that', () => {
    const held = { current: { publicKey: SECOND, slot: 2 } } as const;
    expect(judged({ held, supplied: has(THIRD) }).held.other).toEqual({ publicKey: THIRD, slot: 1, state: 'Next' });
  });
});

describe('the former key', () => {
  const supplied = has(SECOND);

  test('ends at its time, whoever still uses it', () => {
    const lingering = ['team-a/ada'];
    expect(judged({ held: rotating(NOW), supplied, lingering }, NOW + 7 * DAY - 1).held.other).toBeDefined();
    expect(judged({ held: rotating(NOW), supplied, lingering }, NOW + 7 * DAY).held).toEqual({
      current: { publicKey: SECOND, slot: 2 },
    });
  });

  test('ends ten minutes after the last who needs it has left it', () => {
    const first = judged({ held: rotating(NOW), supplied }, NOW + DAY);
    expect(first.held.other).toMatchObject({ unusedSince: NOW + DAY });
    expect(first.until).toBe(NOW + DAY + 10 * MINUTE);
    expect(judged({ held: first.held, supplied, lingering: ['team-a/ada'] }, NOW + DAY + MINUTE).held.other).toEqual({
      ...current,
      state: 'Former',
      since: NOW,
      unusedSince: undefined,
    });
    expect(judged({ held: first.held, supplied }, NOW + DAY + 10 * MINUTE - 1).held.other).toBeDefined();
    expect(judged({ held: first.held, supplied }, NOW + DAY + 10 * MINUTE).held.other).toBeUndefined();
  });

  test('ends at once when the overlap is set to nothing', () => {
    const lingering = ['team-a/ada'];
    const held = judged({ gateway: gateway({ overlap: '0s' }), held: rotating(NOW), supplied, lingering }).held;
    expect(held.other).toBeUndefined();
  });

  test('keeps a third one waiting, and is told again when somebody puts it back', () => {
    const waiting = judged({ held: rotating(NOW), supplied: has(THIRD), lingering: ['team-a/ada'] });
    expect(waiting).toMatchObject({ held: rotating(NOW), verdict: { status: 'False', reason: 'AnotherWaits' } });
    const { held } = judged({ held: rotating(NOW), supplied: has(FIRST) }, NOW + DAY);
    const former = { publicKey: SECOND, slot: 2, state: 'Former', since: NOW + DAY, isNewer: true };
    expect(held).toEqual({ current, other: former });
    expect(judged({ held, supplied: has(SECOND) }, NOW + 2 * DAY).held).toEqual(rotating(NOW + 2 * DAY));
  });

  test('is told with those who have not left it', () => {
    const { verdict } = judged({ held: rotating(NOW), supplied, lingering: ['team-b/bob', 'team-a/ada'] });
    expect(verdict.message).toContain('2 MeshPeers have not come by the new key yet: team-a/ada, team-b/bob');
  });
});

describe('without a usable key in the Secret everything goes on', () => {
  test.each([
    [{ kind: 'missing' } as const, 'SecretMissing'],
    [{ kind: 'invalid', problem: 'Secret x holds no key' } as const, 'SecretInvalid'],
  ])('%j', (supplied, reason) => {
    const held = { current, other: next };
    expect(judged({ held, supplied })).toMatchObject({ held, verdict: { status: 'False', reason } });
  });

  test('a restored one is adopted', () => {
    expect(judged({ supplied: has(FIRST) })).toMatchObject({ held: { current }, verdict: { reason: 'Applied' } });
  });
});

test('every reason is reached', () => {
  const obstacles = (['KeyTaken', 'SecondPortUnknown'] as const).map((reason) =>
    judged({ supplied: has(SECOND), obstacle: { reason, message: 'Because.' } }),
  );
  const all = [
    judged({}),
    judged({ supplied: has(SECOND) }),
    judged({ held: rotating(NOW), supplied: has(SECOND) }),
    judged({ held: rotating(NOW), supplied: has(THIRD) }),
    judged({ supplied: { kind: 'missing' } }),
    judged({ supplied: { kind: 'invalid', problem: 'no' } }),
    judged({ refusedRequest: 'No.' }),
    ...obstacles,
  ];
  expect(new Set(all.map(({ verdict }) => verdict.reason))).toEqual(new Set(REASONS.MeshGateway.KeyApplied));
  for (const { held } of obstacles) expect(held).toEqual({ current });
});

describe('the second port', () => {
  test('is the next one, unless the gateway names one', () => {
    expect(secondPort(gateway().spec)).toBe(51841);
    expect(secondPort(gateway({}, { listenPort: 65535 }).spec)).toBe(65534);
    expect(secondPort(gateway({ listenPort: 443 }).spec)).toBe(443);
  });

  const endpoints = (hosts: readonly string[], keyRotation: object = {}) => {
    const asked = gateway(keyRotation, { endpoint: { hosts: [...hosts] } });
    return {
      own: placeWithOwnPort(asked, []),
      hosts: hostEndpoints(asked, 2).map((host) => (host.ok ? host.value : 'refused')),
    };
  };

  test('is reached under the same names', () => {
    expect(endpoints(['vpn.example.com', '[2001:db8::1]:51840', '192.0.2.1:51840'])).toEqual({
      own: undefined,
      hosts: ['vpn.example.com:51841', '[2001:db8::1]:51841', '192.0.2.1:51841'],
    });
  });

  test('is not known where a name has a port of its own, until somebody tells', () => {
    expect(endpoints(['a.example.com', 'vpn.example.com:443']).own).toBe('spec.endpoint.hosts has vpn.example.com:443');
    expect(endpoints(['vpn.example.com:443'], { hosts: ['vpn.example.com:444', 'b.example.com'] })).toEqual({
      own: undefined,
      hosts: ['vpn.example.com:444', 'b.example.com:51841'],
    });
  });

  test('is not known where a node that serves is reached at a port of its own', () => {
    const node = (labels = {}) =>
      aNode('edge', { labels, annotations: { 'sallyport.dev/endpoint': '198.51.100.7:4500' } });
    const asked = gateway({}, { nodeSelector: { edge: 'true' } });
    expect(placeWithOwnPort(asked, [node({ edge: 'true' })])).toMatch(/sallyport\.dev\/endpoint.*198\.51\.100\.7:4500/);
    expect(placeWithOwnPort(asked, [node()])).toBeUndefined();
    expect(placeWithOwnPort(gateway({ hosts: ['198.51.100.7:4501'] }), [node()])).toBeUndefined();
  });
});

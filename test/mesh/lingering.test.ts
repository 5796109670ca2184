import { expect, test } from 'vitest';
import { REASONS } from '../../src/api/conditions.ts';
import type { Connection } from '../../src/api/meshpeer.ts';
import { lastKeys, lingers, usesCurrentKey } from '../../src/mesh/lingering.ts';
import { aCondition, aConnection, aKey, aMember, aPeer, aServedGateway } from '../support/builders.ts';

const [FORMER, CURRENT] = [aKey('former'), aKey('current')];
const place = { slot: 1, listenPort: 51840, interface: 'wg-default' };
const gateway = aServedGateway({
  status: {
    keys: [
      { ...place, publicKey: CURRENT, state: 'Current' },
      { ...place, publicKey: FORMER, state: 'Former', until: '2026-08-08T12:00:00Z' },
    ],
  },
});
const by = (publicKey: string) => [{ gateway: 'default', publicKey }];

test.each([
  ['who came by it last', { gatewayKeys: by(FORMER) }, true],
  ['who came by the current one', { gatewayKeys: by(CURRENT) }, false],
  ['who came by one that ended long ago, which it cannot do any more', { gatewayKeys: by(aKey('old')) }, false],
  ['who never came', { conditions: [aCondition('Accepted', 'True'), connected('NeverConnected')] }, false],
  ['who came once, nobody knows by which', { conditions: [aCondition('Accepted', 'True'), connected('Idle')] }, true],
])('a former key may be needed: %s', (_who, status, expected) => {
  expect(lingers(aMember({ status }), 'default', FORMER)).toBe(expected);
});

test('nobody who is not let in needs a key', () => {
  expect(lingers(aPeer({ status: { gatewayKeys: by(FORMER) } }), 'default', FORMER)).toBe(false);
});

test('the latest session says by which key a device came, and it is remembered when there is none any more', () => {
  const session = (gatewayKey: string, lastHandshake: string): Connection => aConnection({ gatewayKey, lastHandshake });
  const both = [session(FORMER, '2026-08-01T11:58:00Z'), session(CURRENT, '2026-08-01T11:59:00Z')];
  expect(lastKeys([], ['default'], both)).toEqual(by(CURRENT));
  expect(lastKeys(by(CURRENT), ['default'], [])).toEqual(by(CURRENT));
  expect(lastKeys(by(CURRENT), ['other'], [])).toEqual([]);
});

test('a device is told which key it came by, and until when it may', () => {
  const told = [CURRENT, FORMER, aKey('old')].map((key) => usesCurrentKey(by(key), [gateway]));
  expect(told.map((one) => one?.reason)).toEqual(REASONS.MeshPeer.UsesCurrentKey);
  expect(told[1]?.message).toContain('former key of MeshGateway default, which ends at 2026-08-08T12:00:00Z');
  expect(told[1]?.message).toContain('status.config');
  expect(usesCurrentKey([], [gateway])).toBeUndefined();
});

function connected(reason: string) {
  return aCondition('Connected', 'False', { reason });
}

import { describe, expect, test } from 'vitest';
import { serviceType } from '../../../src/api/core.ts';
import {
  type AuditNames,
  connectionLines,
  mostLines,
  restLines,
  servicesByAddress,
} from '../../../src/mesh/audit/connections.ts';
import { type Sighting, sightingIn } from '../../../src/mesh/audit/sightings.ts';
import { peerTable } from '../../../src/mesh/peer-table.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import { aMember, NOW } from '../../support/builders.ts';

const web = serviceType.parse({
  metadata: { name: 'web', namespace: 'shop' },
  spec: { clusterIPs: ['10.96.0.20', 'fd5a:96::20'] },
});
const headless = serviceType.parse({ metadata: { name: 'db', namespace: 'shop' }, spec: { clusterIPs: ['None'] } });

const names: AuditNames = {
  table: peerTable(
    'default',
    [aMember({ name: 'ada', address: '10.213.0.20', spec: { owner: 'ada@example.com' } })],
    NOW,
  ),
  departed: new Map(),
  services: servicesByAddress([web, headless]),
  probes: ['10.213.255.254' as IpAddress],
};

function seen(element: string, packets = 1, set = 'seen_denied4'): Sighting {
  const sighting = sightingIn({ set, element, packets, bytes: packets * 60 });
  if (sighting === undefined) throw new Error(`${element} says nothing`);
  return sighting;
}

const tell = (sightings: readonly Sighting[], most = 10) => connectionLines(sightings, names, most);

describe('a line', () => {
  test('names the device, its owner and the Service', () => {
    expect(tell([seen('10.213.0.20 . tcp . 10.96.0.20 . 80', 3)])).toEqual({
      lines: [
        {
          event: 'connection',
          verdict: 'denied',
          peer: { namespace: 'team-a', name: 'ada', owner: 'ada@example.com' },
          from: '10.213.0.20',
          to: { address: '10.96.0.20', port: 80, service: { namespace: 'shop', name: 'web' } },
          protocol: 'tcp',
          count: 3,
          bytes: 180,
        },
      ],
      leftOut: [],
      others: { packets: 0, bytes: 0 },
    });
  });

  test.each([
    [
      'a device that is known no more',
      '10.213.0.99 . tcp . 10.1.0.1 . 22',
      'seen_denied4',
      { from: '10.213.0.99', to: { address: '10.1.0.1', port: 22 } },
    ],
    [
      'what has no ports',
      '10.213.0.20 . icmp . 10.1.0.1',
      'seen_denied_other4',
      { protocol: 'icmp', to: { address: '10.1.0.1' } },
    ],
    [
      'a protocol that nft has no name for',
      '10.213.0.20 . 6 . 10.1.0.1 . 80',
      'seen_denied4',
      { protocol: 'tcp', to: { port: 80 } },
    ],
    [
      'IPv6',
      'fd5a:213::20 . udp . fd5a:96::20 . 53',
      'seen_denied6',
      { to: { address: 'fd5a:96::20', service: { name: 'web' } } },
    ],
    ['what is let in', '10.213.0.20 . tcp . 10.96.0.20 . 80', 'seen_accepted4', { verdict: 'accepted' }],
  ])('is there of %s', (_what, element, set, line) => {
    expect(tell([seen(element, 1, set)]).lines).toMatchObject([line]);
  });

  test('of what is let in says which bytes the device was sent', () => {
    const sighting = seen('10.213.0.20 . tcp . 10.96.0.20 . 80', 2, 'seen_accepted4');
    expect(tell([{ ...sighting, bytes: 900, bytesToDevice: 700 }]).lines).toMatchObject([
      { verdict: 'accepted', count: 2, bytes: 900, bytesToDevice: 700 },
    ]);
  });

  test('names whoever had the address until just now, unless somebody else has it', () => {
    const departed = new Map([
      ['10.213.0.99' as IpAddress, { peer: aMember({ name: 'bob' }) }],
      ['10.213.0.20' as IpAddress, { peer: aMember({ name: 'bob' }) }],
    ]);
    const sightings = ['10.213.0.99', '10.213.0.20'].map((address) => seen(`${address} . tcp . 10.96.0.20 . 80`));
    const { lines, leftOut } = connectionLines(sightings, { ...names, departed }, 1);
    expect([lines, leftOut].flat().map((line) => 'peer' in line && line.peer?.name)).toEqual(['bob', 'ada']);
  });

  test("is not there of the node's own probe", () => {
    expect(tell([seen('10.213.255.254 . tcp . 10.96.0.20 . 80')])).toEqual({
      lines: [],
      leftOut: [],
      others: { packets: 0, bytes: 0 },
    });
  });

  test('is not there of an element that says nothing', () => {
    expect(sightingIn({ set: 'seen_denied4', element: 'x', packets: 1, bytes: 1 })).toBeUndefined();
  });
});

describe('of more than there may be lines', () => {
  const scan = Array.from({ length: 20 }, (_, port) => seen(`10.213.0.20 . tcp . 10.96.0.20 . ${port + 1}`, 2));

  test('the rest is counted, and what happened most often is told first', () => {
    const often = seen('10.213.0.20 . tcp . 10.96.0.20 . 443', 9);
    const { lines, leftOut, others } = tell([...scan, often], 5);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatchObject({ to: { port: 443 }, count: 9 });
    const peer = { namespace: 'team-a', name: 'ada', owner: 'ada@example.com' };
    expect(leftOut).toEqual([{ event: 'left-out', verdict: 'denied', peer, from: '10.213.0.20', count: 2 * 16 }]);
    expect(others.packets).toBe(0);
  });

  test('the bytes of the rest are told where they are those of connections', () => {
    const accepted = scan.map((sighting) => ({ ...sighting, verdict: 'accepted' as const, bytes: 100 }));
    expect(tell(accepted, 5).leftOut).toMatchObject([{ verdict: 'accepted', count: 2 * 15, bytes: 15 * 100 }]);
  });

  test('what carried most is told first of what was not dialled anew', () => {
    const going = [100, 900].map((bytes, index) => ({
      ...seen(`10.213.0.20 . tcp . 10.96.0.20 . ${index}`, 0, 'seen_accepted4'),
      bytes,
    }));
    expect(tell(going, 1)).toMatchObject({ lines: [{ count: 0, bytes: 900 }], leftOut: [{ count: 0, bytes: 100 }] });
  });

  test.each([
    ['nothing', { packets: 0, bytes: 0 }, []],
    ['packets', { packets: 3, bytes: 0 }, [{ count: 3, bytes: 0 }]],
    ['bytes alone', { packets: 0, bytes: 5 }, [{ count: 0, bytes: 5 }]],
  ])('there is a line for the rest of nobody knows whom when it is %s', (_what, rest, lines) => {
    const told = restLines({ verdict: 'accepted', ...rest });
    expect(told).toEqual(lines.map((line) => ({ event: 'left-out', verdict: 'accepted', ...line })));
  });

  test('the rest of more devices than there may be lines is one number', () => {
    const devices = Array.from({ length: 5 }, (_, index) => `10.213.1.${index}`);
    const all = devices.flatMap((device, index) =>
      [80, 443].map((port) => seen(`${device} . tcp . 10.96.0.20 . ${port}`, index + 1)),
    );
    const { lines, leftOut, others } = tell(all, 2);
    expect(lines).toHaveLength(2);
    expect(leftOut).toMatchObject([
      { from: '10.213.1.4', count: 10 },
      { from: '10.213.1.3', count: 8 },
    ]);
    expect(lines.reduce((sum, line) => sum + ('count' in line ? line.count : 0), 18 + others.packets)).toBe(30);
  });

  test('a device that scans does not push out the lines of another', () => {
    const { lines } = tell([...scan, seen('10.213.0.21 . tcp . 10.96.0.20 . 80')], 2);
    expect(lines).toMatchObject([{ from: '10.213.0.20' }, { from: '10.213.0.21' }]);
  });
});

test('as many lines are written in a minute whether looks are frequent or rare, and never too many at once', () => {
  expect([2_500, 3_000, 10_000].map(mostLines)).toEqual([500, 600, 2_000]);
  expect([60_000, Number.POSITIVE_INFINITY].map(mostLines)).toEqual([2_000, 2_000]);
});

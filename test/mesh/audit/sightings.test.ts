import { describe, expect, test } from 'vitest';
import { type Sighting, sightingIn, withCarried } from '../../../src/mesh/audit/sightings.ts';

const DIALLED = '10.213.0.20 . tcp . 10.96.0.20 . 80';
const to = { source: '10.213.0.20', protocol: 'tcp', destination: '10.96.0.20', port: 80 };

const carried = (element: string, bytes: number) => ({ set: 'seen_carried_a4', element, packets: 1, bytes });
const letIn = (packets: number): readonly Sighting[] => {
  const sighting = sightingIn({ set: 'seen_accepted4', element: DIALLED, packets, bytes: 60 * packets });
  return sighting === undefined ? [] : [sighting];
};

describe('what connections carry', () => {
  test('is added to those that were let in, both directions, and their first packets once', () => {
    const both = [carried(`${DIALLED} . original`, 400), carried(`${DIALLED} . reply`, 9_000)];
    expect(withCarried(letIn(2), both)).toEqual([
      { verdict: 'accepted', ...to, packets: 2, bytes: 9_400, bytesToDevice: 9_000 },
    ]);
  });

  test('is told of those that were let in before', () => {
    expect(withCarried([], [carried(`${DIALLED} . reply`, 52)])).toEqual([
      { verdict: 'accepted', ...to, packets: 0, bytes: 52, bytesToDevice: 52 },
    ]);
  });

  test('is nothing yet of those of which no packet was counted', () => {
    expect(withCarried(letIn(1), [])).toEqual([{ verdict: 'accepted', ...to, packets: 1, bytes: 0, bytesToDevice: 0 }]);
  });

  test.each([
    ['another port', '10.213.0.20 . tcp . 10.96.0.20 . 443 . original'],
    ['another protocol', '10.213.0.20 . udp . 10.96.0.20 . 80 . original'],
    ['another device', '10.213.0.21 . tcp . 10.96.0.20 . 80 . original'],
    ['what has no ports', '10.213.0.20 . icmp . 10.96.0.20 . original'],
    ['IPv6', 'fd5a:213::20 . tcp . fd5a:96::20 . 80 . original'],
  ])('is told apart from that of %s', (_what, element) => {
    const told = withCarried(letIn(1), [carried(element, 84)]);
    expect(told.map(({ packets, bytes }) => [packets, bytes])).toEqual([
      [1, 0],
      [0, 84],
    ]);
  });

  test('is not there of an element that says nothing', () => {
    expect(withCarried([], [carried('x', 1)])).toEqual([]);
  });
});

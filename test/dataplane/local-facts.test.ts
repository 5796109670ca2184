import { expect, test } from 'vitest';
import { type Underlay, underlayMtu } from '../../src/dataplane/local-facts.ts';

const LINKS: Underlay['links'] = [
  { name: 'lo', mtu: 65536, virtual: true },
  { name: 'eth0', mtu: 1460, virtual: false },
  { name: 'eth1', mtu: 9001, virtual: false },
  { name: 'cni0', mtu: 9500, virtual: true },
];

test.each<[string, Underlay, number]>([
  ["the default route's device", { defaultRoutes: [{ device: 'eth0' }, { device: 'eth1' }], links: LINKS }, 1460],
  ['the route itself, when it says less', { defaultRoutes: [{ device: 'eth1', mtu: 1400 }], links: LINKS }, 1400],
  ['the device, when the route says more', { defaultRoutes: [{ device: 'eth0', mtu: 9000 }], links: LINKS }, 1460],
  [
    'the next default route, when a device is gone',
    { defaultRoutes: [{ device: 'gone' }, { device: 'eth0' }], links: LINKS },
    1460,
  ],
  ['the largest real link without a default route', { defaultRoutes: [], links: LINKS }, 9001],
  ['Ethernet, when nothing is known', { defaultRoutes: [], links: [] }, 1500],
])('the MTU of the way out is that of %s', (_what, underlay, mtu) => {
  expect(underlayMtu(underlay)).toBe(mtu);
});

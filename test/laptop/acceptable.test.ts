import { expect, test } from 'vitest';
import { problemOf } from '../../src/laptop/acceptable.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { aClientConfiguration, aClientGateway } from '../support/client-configurations.ts';

const leadingTo = (...cidrs: string[]) =>
  aClientConfiguration({ gateways: [aClientGateway({ allowedIPs: cidrs as Cidr[] })] });

test('what a cluster has is taken', () => {
  expect(problemOf(aClientConfiguration())).toBeUndefined();
  expect(problemOf(leadingTo('10.0.0.0/8', '100.64.0.0/10', 'fd00::/8'))).toBeUndefined();
});

test.each([
  ['0.0.0.0/0', /nearly everything/],
  ['0.0.0.0/1', /nearly everything/],
  ['::/0', /nearly everything/],
  ['127.0.0.53/32', /no network of a cluster/],
  ['169.254.169.254/32', /no network of a cluster/],
  ['224.0.0.0/4', /no network of a cluster/],
  ['fe80::/64', /no network of a cluster/],
])('%s is not', (cidr, problem) => {
  expect(problemOf(leadingTo('10.96.0.0/12', cidr))).toMatch(problem);
});

test('many ranges that are together nearly everything are not', () => {
  const quarters = Array.from({ length: 16 }, (_, at) => `${at * 8 + 64}.0.0.0/5`);
  expect(problemOf(leadingTo(...quarters.slice(0, 3)))).toBeUndefined();
  expect(problemOf(leadingTo(...quarters))).toMatch(/IPv4 is together nearly everything/);
  const halves = Array.from({ length: 16 }, (_, at) => `${(0x20 + 2 * at).toString(16)}00::/7`);
  expect(problemOf(leadingTo(...halves))).toMatch(/IPv6 is together nearly everything/);
});

test('an endpoint within what goes through the tunnel is not', () => {
  const gateways = [aClientGateway({ endpoints: ['192.0.2.1:51840', '10.96.0.7:51840'] as Endpoint[] })];
  expect(problemOf(aClientConfiguration({ gateways }))).toMatch(/endpoint 10\.96\.0\.7:51840 of gateway default/);
});

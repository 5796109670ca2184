import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stillEnded } from '../../../src/dataplane/nftables/ended-flows.ts';
import { accessOf } from '../../../src/mesh/access/access.ts';
import { freeAmong, grantNeed, needingGrants } from '../../../src/mesh/access/grant-need.ts';
import { grantSets } from '../../../src/mesh/access/sets.ts';
import { accessGateway, accessMembers, accessWorld } from '../../../src/mesh/access/world.ts';
import { peerTable } from '../../../src/mesh/peer-table.ts';
import { topology } from '../../../src/mesh/topology.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import { mayReach, pairsOf, randomWorld, type World } from '../../support/access-worlds.ts';
import { aServedGateway, type GatewayParts, NOW } from '../../support/builders.ts';
import { aFlow } from '../../support/grants.ts';

const STATUS = {
  pool: ['10.213.0.0/16', 'fd5a:213::/64'],
  serviceCIDRs: ['10.96.0.0/12', 'fd5a:96::/64'].map((cidr) => ({ cidr, source: 'test' })),
  dns: { servers: ['10.96.0.10'], domain: 'cluster.local' },
  internet: { excluded: ['198.18.7.0/24'] },
};

function needAt(spec: NonNullable<GatewayParts['spec']>) {
  const served = topology(aServedGateway({ spec, status: STATUS }));
  if (served === undefined) throw new Error('the gateway is not served');
  return { served, need: grantNeed(served) };
}

const DENYING = { access: { default: 'Deny' as const } };

test('a gateway that allows by default asks nobody for a grant', () => {
  const { need } = needAt({});
  expect(need).toBeUndefined();
  expect(needingGrants(need, [aFlow('10.213.0.16 tcp 10.96.0.20 80')])).toEqual([]);
});

describe('at a gateway that denies by default', () => {
  test.each([
    ['a Service', '10.213.0.16 tcp 10.96.0.20 80'],
    ['a Service over IPv6', 'fd5a:213::16 tcp fd5a:96::20 80'],
    ['another port of cluster DNS', '10.213.0.16 tcp 10.96.0.10 9153'],
    ['what is no TCP or UDP', '10.213.0.16 icmp 10.96.0.10'],
    ['what the gateway advertised once', '10.213.0.16 tcp 10.50.0.1 80'],
    ['the internet', '10.213.0.16 tcp 192.0.2.7 443'],
  ])('%s needs a grant', (_what, text) => {
    expect(needingGrants(needAt(DENYING).need, [aFlow(text)])).toHaveLength(1);
  });

  test.each([
    ['cluster DNS', '10.213.0.16 udp 10.96.0.10 53'],
    ['cluster DNS over TCP', '10.213.0.16 tcp 10.96.0.10 53'],
    ["a device's own configuration", '10.213.0.16 tcp 10.213.0.1 51840'],
    ['a ping of the gateway', 'fd5a:213::16 icmpv6 fd5a:213::1'],
    ['another device', '10.213.0.16 tcp 10.213.0.17 22'],
    ['what the node itself opens', '10.213.0.1 tcp 10.96.0.20 80'],
    ["what the node's probe opens", '10.213.0.15 tcp 10.96.0.1 443'],
  ])('%s needs none', (_what, text) => {
    expect(needingGrants(needAt(DENYING).need, [aFlow(text)])).toEqual([]);
  });

  test('that is open to the internet, the internet needs none; ranges, Services and what looks public and is not do', () => {
    const internet = { enabled: true, access: 'Allow' as const };
    const { need } = needAt({ ...DENYING, advertise: { internet, cidrs: ['203.0.114.0/24'] } });
    const flows = ['1.1.1.1', '203.0.114.7', '10.96.0.20', '198.18.7.1', '192.168.1.1'];
    const found = needingGrants(
      need,
      flows.map((to) => aFlow(`10.213.0.16 tcp ${to} 443`)),
    );
    expect(found.map(({ destination }) => destination)).toEqual(flows.slice(1).map((to) => `${to}/32`));
  });

  test('of a whole range that ends, what needs no grant goes on', () => {
    const { need } = needAt(DENYING);
    const range = { ...aFlow('10.213.0.16 tcp 10.96.0.20 80'), destination: '10.0.0.0/8' as Cidr };
    const going = freeAmong(need, [range, range, aFlow('10.213.0.17 udp 10.96.0.10 53')]);
    expect(going).toEqual([
      { source: '10.213.0.16', destination: '10.213.0.0/16', open: undefined },
      aFlow('10.213.0.16 tcp 10.96.0.10 53'),
      aFlow('10.213.0.16 udp 10.96.0.10 53'),
    ]);
  });
});

test('in 100 random worlds, of all that could be open, what nobody granted ends, and nothing else', () => {
  const { served, need } = needAt(DENYING);
  let counts = { ended: 0, going: 0 };
  const holds = ({ accesses, ...world }: World) => {
    const members = accessMembers(peerTable('default', world.peers, NOW));
    const services = [...accessOf(accessGateway(served), members, { accesses, world: accessWorld(world), now: NOW })];
    const open = pairsOf({ accesses, ...world }).flatMap(({ peer, service, port }) =>
      (peer.status?.addresses ?? []).flatMap((source) =>
        service.spec.clusterIPs
          .filter((address) => address !== 'None' && source.includes(':') === address.includes(':'))
          .map((address) => ({
            flow: aFlow(`${source} ${port.protocol.toLowerCase()} ${address} ${port.port}`),
            goesOn: mayReach({ accesses, ...world }, peer, service, port),
          })),
      ),
    );
    // Two Services of a world may have one address, and one of them be granted.
    const goingOn = new Set(open.filter(({ goesOn }) => goesOn).map(({ flow }) => JSON.stringify(flow)));
    const flows = open.map(({ flow }) => flow);
    const { flows: ended } = stillEnded({ sets: grantSets({ services, ranges: [] }) }, needingGrants(need, flows));
    expect(ended).toEqual(flows.filter((flow) => !goingOn.has(JSON.stringify(flow))));
    counts = { ended: counts.ended + ended.length, going: counts.going + goingOn.size };
  };
  fc.assert(fc.property(randomWorld(), holds), { numRuns: 100 });
  expect(Math.min(counts.ended, counts.going)).toBeGreaterThan(50);
});

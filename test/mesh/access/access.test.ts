import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AccessGateway, accessOf } from '../../../src/mesh/access/access.ts';
import { explainAccess } from '../../../src/mesh/access/explain.ts';
import { accessMembers, accessWorld } from '../../../src/mesh/access/world.ts';
import { peerTable } from '../../../src/mesh/peer-table.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import { mayReach, pairsOf, randomWorld, type World } from '../../support/access-worlds.ts';
import { aServedGateway, NOW } from '../../support/builders.ts';

const GATEWAY: AccessGateway = {
  name: 'default',
  accessDefault: 'Deny',
  routedCidrs: [],
  serviceCidrs: ['10.96.0.0/12', 'fd5a:96::/64'] as Cidr[],
};

function granted({ accesses, ...world }: World): readonly string[] {
  const members = accessMembers(peerTable('default', world.peers, NOW));
  const grants = accessOf(GATEWAY, members, { accesses, world: accessWorld(world), now: NOW });
  return [...new Set([...grants].map(({ peer, protocol, address, port }) => `${peer} ${protocol} ${address} ${port}`))];
}

/** By hand: every device, every Service, every port, every pair of addresses of one family. */
function expected(world: World): readonly string[] {
  const found = pairsOf(world)
    .filter(({ peer, service, port }) => mayReach(world, peer, service, port))
    .flatMap(({ peer, service, port }) =>
      (peer.status?.addresses ?? []).flatMap((source) =>
        service.spec.clusterIPs
          .filter((address) => address !== 'None' && source.includes(':') === address.includes(':'))
          .map((address) => `${source} ${port.protocol.toLowerCase()} ${address} ${port.port}`),
      ),
    );
  return [...new Set(found)];
}

describe('who may reach what', () => {
  // As long as it takes on a machine that computes something else.
  test('is, in a thousand random worlds, what a person finds who checks the objects by hand', {
    timeout: 60_000,
  }, () => {
    let open = 0;
    const holds = (world: World) => {
      const found = granted(world);
      open += found.length;
      expect([...found].sort()).toEqual([...expected(world)].sort());
    };
    fc.assert(fc.property(randomWorld(), holds), { numRuns: 1000 });
    // Worlds in which nothing is granted would prove nothing.
    expect(open).toBeGreaterThan(1000);
  });

  test('is what `sallyport access explain` says of each pair, in a hundred of them', () => {
    const gateway = aServedGateway({
      spec: { access: { default: 'Deny' } },
      status: { serviceCIDRs: GATEWAY.serviceCidrs.map((cidr) => ({ cidr, source: 'test' })) },
    });
    const holds = ({ accesses, ...world }: World) => {
      const objects = { gateways: [gateway], accesses, world: accessWorld(world), now: NOW };
      for (const { peer, service, port } of pairsOf({ accesses, ...world })) {
        const [answer] = explainAccess({ peer, service, port }, objects);
        const wanted = mayReach({ accesses, ...world }, peer, service, port);
        expect(answer?.isAllowed, answer?.because).toBe(wanted && !service.spec.clusterIPs.includes('None'));
      }
    };
    fc.assert(fc.property(randomWorld(), holds), { numRuns: 100 });
  });

  test('is nothing outside what the gateway leads to', () => {
    fc.assert(
      fc.property(randomWorld(), ({ accesses, ...world }) => {
        const members = accessMembers(peerTable('default', world.peers, NOW));
        const nowhere = { ...GATEWAY, serviceCidrs: ['10.97.0.0/16'] as Cidr[] };
        expect([...accessOf(nowhere, members, { accesses, world: accessWorld(world), now: NOW })]).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
});

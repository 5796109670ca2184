import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { serviceType } from '../../../src/api/core.ts';
import { meshAccessType } from '../../../src/api/meshaccess.ts';
import {
  type AccessGateway,
  type AccessMember,
  accessOf,
  addedUp,
  MOST_OF_A_GATEWAY,
  MOST_OF_A_GRANT,
  openedBy,
  type RangeGrant,
} from '../../../src/mesh/access/access.ts';
import { explainAccess } from '../../../src/mesh/access/explain.ts';
import { accessMembers, accessWorld } from '../../../src/mesh/access/world.ts';
import { peerTable } from '../../../src/mesh/peer-table.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import { type Cidr, cidrContains } from '../../../src/net/cidr.ts';
import { mayEnter, mayReach, pairsOf, randomWorld, type World } from '../../support/access-worlds.ts';
import { aMember, aNamespace, aServedGateway, NOW } from '../../support/builders.ts';

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

  test('is what that person finds at addresses of ranges that the gateway advertises, too', () => {
    const routedCidrs = ['10.1.0.0/24', 'fd5a:1::/64'] as Cidr[];
    const addresses = ['10.1.0.2', '10.1.0.20', '10.1.0.200', '10.2.0.2', 'fd5a:1::2', 'fd5a:1::3', 'fd5a:2::2'];
    const places = addresses.flatMap((address) =>
      [8080, 5353, 443].map((port) => ({ address: address as IpAddress, protocol: 'TCP' as const, port })),
    );
    const isOpen = ({ cidr, open }: RangeGrant, { address, port }: (typeof places)[number]) =>
      cidrContains(cidr, address) && (open === undefined || (open.protocol === 'tcp' && open.port === port));
    let count = 0;
    const holds = ({ accesses, ...world }: World) => {
      const members = accessMembers(peerTable('default', world.peers, NOW));
      const objects = { accesses, world: accessWorld(world), now: NOW };
      const { ranges } = addedUp(openedBy({ ...GATEWAY, routedCidrs }, members, objects));
      for (const peer of world.peers) {
        const own = ranges.filter((range) => peer.status?.addresses?.includes(range.peer));
        const found = places.filter((place) => own.some((range) => isOpen(range, place)));
        const wanted = places
          .filter(({ address }) => routedCidrs.some((cidr) => cidrContains(cidr, address)))
          .filter((place) => mayEnter({ accesses, ...world }, peer, place));
        expect(found).toEqual(wanted);
        count += found.length;
      }
    };
    fc.assert(fc.property(randomWorld(), holds), { numRuns: 300 });
    // Of these, too; how many there are differs from run to run.
    expect(count).toBeGreaterThan(100);
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

describe('a grant to more than there is room for', () => {
  const aged = (index: number) => {
    const name = `peer-${String(index).padStart(5, '0')}`;
    const creationTimestamp = new Date(NOW - index * 1000).toISOString();
    const peer = aMember({ name, metadata: { creationTimestamp } });
    return { peer, addresses: [`10.213.${index >> 8}.${index & 255}` as IpAddress] };
  };
  const members = Array.from({ length: 300 }, (_, index) => aged(index));
  const ports = Array.from({ length: 100 }, (_, index) => ({ name: `p${index}`, port: index + 1, protocol: 'TCP' }));
  const service = serviceType.parse({
    metadata: { name: 'web', namespace: 'shop' },
    spec: { clusterIPs: ['10.96.0.20'], ports },
  });
  const everything = (name: string) =>
    meshAccessType.parse({
      apiVersion: 'sallyport.dev/v1alpha1',
      kind: 'MeshAccess',
      metadata: { name, namespace: 'shop' },
      spec: { from: [{ namespaces: { selector: {} } }], to: [{}] },
    });
  const opened = (all: readonly AccessMember[], ...names: readonly string[]) => {
    const world = accessWorld({
      namespaces: [aNamespace()],
      peers: all.map(({ peer }) => peer),
      services: [service],
    });
    return [...openedBy(GATEWAY, all, { accesses: names.map(everything), world, now: NOW })];
  };

  test('opens as much as a grant may, to the oldest devices, whatever the order in which a node has seen them', () => {
    const [one] = opened(members, 'one');
    expect([one?.services.length, one?.isCut]).toEqual([MOST_OF_A_GRANT, true]);
    const names = new Set(one?.services.map(({ member }) => member.peer.metadata.name));
    expect([names.size, names.has('peer-00299'), names.has('peer-00000')]).toEqual([200, true, false]);
    const [other] = opened(members.toReversed(), 'one');
    const told = (all: typeof one) => all?.services.map(({ peer, port }) => `${peer} ${port}`).join('\n');
    expect(told(other) === told(one)).toBe(true);
  });

  test('leaves no more to the newest grants than all may open', () => {
    const all = opened(members, 'f', 'e', 'd', 'c', 'b', 'a');
    expect(all.map(({ access }) => access.metadata.name)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(all.reduce((sum, { services }) => sum + services.length, 0)).toBe(MOST_OF_A_GATEWAY);
    expect(all.at(-1)?.services).toEqual([]);
    expect(all.map(({ isCut, isLate }) => isCut && isLate === true)).toEqual([...Array(5).fill(false), true]);
    expect(addedUp(all).cut).toEqual([all.at(-1)?.access]);
  });

  test('is no matter as long as it fits', () => {
    expect(opened(members.slice(0, 200), 'one')).toMatchObject([{ isCut: false }]);
  });
});

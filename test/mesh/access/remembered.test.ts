import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AccessGateway, type Granted, granted, MOST_OF_A_GATEWAY } from '../../../src/mesh/access/access.ts';
import { RememberedGrants } from '../../../src/mesh/access/remembered.ts';
import { grantSets } from '../../../src/mesh/access/sets.ts';
import { accessMembers, accessWorld } from '../../../src/mesh/access/world.ts';
import { peerTable } from '../../../src/mesh/peer-table.ts';
import type { Cidr } from '../../../src/net/cidr.ts';
import { randomWorld, type World } from '../../support/access-worlds.ts';
import { NOW } from '../../support/builders.ts';
import { aGrantOf, type ManyGrants, manyGrants } from '../../support/many-grants.ts';

const GATEWAY: AccessGateway = {
  name: 'default',
  accessDefault: 'Deny',
  routedCidrs: [],
  serviceCidrs: ['10.96.0.0/12', 'fd5a:96::/64'] as Cidr[],
};

/** What two gateways of one kind lead to. */
const gateways = fc.constantFrom(GATEWAY, { ...GATEWAY, serviceCidrs: ['10.96.0.0/16'] as Cidr[] });

function membersOf({ peers }: Pick<World, 'peers'>) {
  return accessMembers(peerTable('default', peers, NOW));
}

function elements(all: Granted) {
  return grantSets(all).map((set) => [set.name, set.elements]);
}

/** What a history holds at each moment: of one world this, of another that, and not all of the grants. */
const moment = fc.record({
  gateway: gateways,
  namespaces: fc.nat(2),
  peers: fc.nat(2),
  services: fc.nat(2),
  accesses: fc.nat(2),
  left: fc.nat(6),
});

describe('what was remembered of grants', () => {
  test('is, at each moment of sixty random histories, what all objects say when they are read anew', {
    timeout: 60_000,
  }, () => {
    let open = 0;
    fc.assert(
      fc.property(
        fc.tuple(randomWorld(), randomWorld(), randomWorld()),
        fc.array(moment, { minLength: 4, maxLength: 12 }),
        (worlds, moments) => {
          const remembered = new RememberedGrants();
          for (const { gateway, left, ...from } of moments) {
            const pick = <K extends keyof World>(kind: K): World[K] => (worlds[from[kind]] as World)[kind];
            const present = { namespaces: pick('namespaces'), peers: pick('peers'), services: pick('services') };
            const accesses = pick('accesses').filter((_, index) => index !== left);
            const members = membersOf(present);
            const world = accessWorld({ ...present, peers: members.map(({ peer }) => peer) });
            const anew = granted(gateway, members, { accesses, world, now: NOW });
            open += anew.services.length;
            expect(elements(remembered.granted(gateway, { ...present, members, accesses, now: NOW }))).toEqual(
              elements(anew),
            );
          }
        },
      ),
      { numRuns: 60 },
    );
    // Histories in which nothing is granted would prove nothing.
    expect(open).toBeGreaterThan(300);
  });

  test('is not looked at again while one grant comes, and another goes', () => {
    const many = manyGrants(300);
    const remembered = new RememberedGrants();
    const members = membersOf(many);
    let resolved = 0;
    const counted = many.accesses.map((access) => counting(access, () => (resolved += 1)));
    const count = (accesses: ManyGrants['accesses']) => {
      resolved = 0;
      return remembered.granted(GATEWAY, { ...many, members, accesses, now: NOW }).services.length;
    };
    expect([count(counted), resolved]).toEqual([300, 300]);
    expect([count(counted.slice(1)), resolved]).toEqual([299, 0]);
    const added = counting(aGrantOf('team-1', 10, 11), () => (resolved += 1));
    expect([count([...counted.slice(1), added]), resolved]).toEqual([300, 1]);
  });

  test('is looked at again in the namespace where a Service or a device has changed, and in no other', () => {
    const many = manyGrants(300);
    const remembered = new RememberedGrants();
    let resolved = 0;
    const accesses = many.accesses.map((access) => counting(access, () => (resolved += 1)));
    const count = (parts: Partial<Pick<ManyGrants, 'services' | 'peers'>>) => {
      resolved = 0;
      const present = { ...many, ...parts };
      return remembered.granted(GATEWAY, { ...present, members: membersOf(present), accesses, now: NOW }).services
        .length;
    };
    expect(count({})).toBe(300);
    expect([count({ services: many.services.slice(1) }), resolved]).toEqual([290, 100]);
    expect([count({}), resolved]).toEqual([300, 100]);
    expect([count({ peers: many.peers.slice(0, -1) }), resolved]).toEqual([290, 100]);
  });
});

test('what was cut for want of room is opened once there is some', () => {
  const { accesses, namespaces, peers, services } = manyGrants(100);
  const [service] = services;
  const ports = Array.from({ length: 1000 }, (_, index) => ({ port: index + 1, protocol: 'TCP' as const }));
  if (service === undefined) throw new Error('there is no Service');
  const wide = { ...service, spec: { ...service.spec, ports } };
  const all = accesses.slice(0, 11).map((access, index) => ({
    ...access,
    metadata: { ...access.metadata, name: `all-${String(index).padStart(2, '0')}` },
    spec: { ...access.spec, from: [{ selector: {} }], to: [{ names: [service.metadata.name] }] },
  }));
  const remembered = new RememberedGrants();
  const present = { namespaces, services: [wide], members: membersOf({ peers }), now: NOW };
  const count = (some: typeof all) => remembered.granted(GATEWAY, { ...present, accesses: some }).services.length;
  expect(count(all)).toBe(MOST_OF_A_GATEWAY);
  expect(count(all.slice(1))).toBe(MOST_OF_A_GATEWAY);
  expect(count(all.slice(2))).toBe(90_000);
  expect(count(all.slice(1))).toBe(MOST_OF_A_GATEWAY);
});

/** The same grant; says whenever somebody reads what it opens. */
function counting(access: ManyGrants['accesses'][number], onRead: () => void): typeof access {
  const { to, ...spec } = access.spec;
  const read = () => {
    onRead();
    return to;
  };
  return { ...access, spec: Object.defineProperty({ ...spec }, 'to', { get: read }) as typeof access.spec };
}

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Flow } from '../../src/dataplane/nftables/ruleset.ts';
import type { NodePlan, NodeState } from '../../src/dataplane/node-plan.ts';
import { describeOperation, type Operation } from '../../src/dataplane/operation.ts';
import type { Route } from '../../src/dataplane/routes/route.ts';
import type { DataplaneChoice } from '../../src/dataplane/wireguard/device.ts';
import { orderPeerChanges, peerChange } from '../../src/dataplane/wireguard/peer-change.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { type HostAbilities, type HostUnderTest, observed, performed, predicted } from './host-under-test.ts';
import { aNodePlan, aPublicKey, PLAN_NAMES } from './node-plans.ts';
import { essence } from './random-plans.ts';

const { device, table } = PLAN_NAMES;
const ALICE = aPublicKey(1);
const BOB = aPublicKey(2);
const A = ['10.213.0.16/32', 'fd5a:213::16/128'];
const B = ['10.213.0.17/32'];

/** A guest starts hundreds of programs for it, and each takes it a twentieth of a second. */
const LONG_MS = 240_000;

/** A kind that is missing here does not compile. */
const KINDS: Readonly<Record<Operation['kind'], true>> = {
  'replace-table': true,
  'change-elements': true,
  'create-link': true,
  'start-link': true,
  'set-device': true,
  'add-address': true,
  'remove-address': true,
  'set-rp-filter': true,
  'set-link': true,
  'turn-on-forwarding': true,
  'set-peers': true,
  'forget-flows': true,
  'forget-calls': true,
  'end-flows': true,
  'add-route': true,
  'move-route': true,
  'remove-route': true,
  'change-routes': true,
  'delete-link': true,
  'restore-forwarding': true,
  'delete-table': true,
};

/** Every kind of operation, done twice, is observed as the fake's model of it says. */
export function describeOperations(makeHost: () => Promise<HostUnderTest>, abilities: HostAbilities): void {
  describe(`each operation, on an interface made as ${abilities.auto},`, () => {
    let under: HostUnderTest;
    beforeEach(async () => {
      under = await makeHost();
    });
    afterEach(() => under.dispose());

    test('does what its model says, and no more when done twice', { timeout: LONG_MS }, async () => {
      const plan = aNodePlan({ publicKey: under.publicKey, serviceCidrs: ['10.96.0.0/12'] });
      const script = [...making(plan, abilities.auto), ...unmaking(plan)];
      expect(new Set(script.map(({ kind }) => kind))).toEqual(new Set(Object.keys(KINDS)));
      let before = await observed(under);
      for (const step of script) {
        const said = describeOperation(step);
        const wanted = predicted(abilities, before, [step]);
        const portKnown = (wanted.device?.listenPort ?? 0) === 51840 || wanted.device?.listenPort === 51841;
        await performed(under, [step, step]);
        before = await observed(under);
        expect(seen(before, { said, portKnown })).toEqual(seen(wanted, { said, portKnown }));
      }
    });
  });
}

/** Nobody knows the port of an interface that was told none. */
function seen(state: NodeState, { said, portKnown }: Moment) {
  const { device: found, ...rest } = essence(state);
  const shown = found && (portKnown ? found : { ...found, listenPort: undefined });
  return { said, ...rest, device: shown, dataplane: state.device?.dataplane, sysctls: state.sysctls };
}

interface Moment {
  readonly said: string;
  readonly portKnown: boolean;
}

function making({ ruleset, device: { publicKey, addresses } }: NodePlan, dataplane: DataplaneChoice): Operation[] {
  const services = { set: 'services4', added: ['10.43.0.0/16'], removed: ['10.96.0.0/12'] };
  const routes = ['10.213.0.0/16', '10.99.0.0/24', 'fd5a:213::/64'] as Cidr[];
  const many = ['10.99.1.1/32', '10.99.1.2/32', 'fd5a:213::99/128'] as Cidr[];
  const [first, second, third] = many.map((destination) => ({ destination, device })) as [Route, Route, Route];
  const mixed = [
    { kind: 'add-route', route: first },
    { kind: 'remove-route', route: { destination: '10.99.1.9/32' as Cidr, device } },
    { kind: 'move-route', route: second },
    { kind: 'remove-route', route: third },
  ] as const;
  return [
    { kind: 'replace-table', ruleset, turnedOn: [] },
    { kind: 'create-link', device, dataplane },
    { kind: 'start-link', device },
    { kind: 'set-device', device, publicKey, listenPort: 51840 },
    ...addresses.map((address) => ({ kind: 'add-address', device, address }) as const),
    { kind: 'set-rp-filter', device, value: 2 },
    { kind: 'turn-on-forwarding', family: 4, table },
    { kind: 'turn-on-forwarding', family: 6, table },
    { kind: 'set-link', device, mtu: 1400, up: true },
    peerSteps([ALICE, [], A], [BOB, [], B]),
    peerSteps([ALICE, A, B], [BOB, B, A]),
    // Whoever gets an address takes it from who has it.
    peerSteps([ALICE, B, [...B, ...A]]),
    peerSteps([ALICE, A, []]),
    { kind: 'forget-flows', sources: ['fd5a:213::16/128'] as Cidr[] },
    { kind: 'forget-calls', endpoints: ['192.0.2.1:40000', '[2001:db8::1]:40000'] as Endpoint[], ports: [51840] },
    { kind: 'end-flows', flows: [granted(4), granted(6)], kept: [] },
    ...routes.map((destination) => ({ kind: 'add-route', route: { destination, device } }) as const),
    { kind: 'move-route', route: { destination: '10.99.0.0/24' as Cidr, device } },
    {
      kind: 'change-routes',
      changes: many.map((destination) => ({ kind: 'add-route', route: { destination, device } })),
    },
    // One of them is there already, and one that is to go is not.
    { kind: 'change-routes', changes: mixed },
    { kind: 'change-elements', table, changes: [services] },
    { kind: 'replace-table', ruleset, turnedOn: [4, 6] },
    { kind: 'set-device', device, listenPort: 51841 },
    { kind: 'set-link', device, mtu: 1380 },
  ];
}

/** A connection that a device may have had to a Service. */
function granted(family: 4 | 6): Flow {
  const [source, destination] = family === 4 ? ['10.213.0.16', '10.96.0.20/32'] : ['fd5a:213::16', 'fd5a:96::20/128'];
  return { source: source as IpAddress, destination: destination as Cidr, open: { protocol: 'tcp', port: 80 } };
}

function unmaking({ device: { addresses } }: NodePlan): Operation[] {
  return [
    { kind: 'remove-route', route: { destination: '10.99.0.0/24' as Cidr, device } },
    {
      kind: 'change-routes',
      changes: ['10.99.1.1/32', '10.99.1.2/32'].map((text) => ({
        kind: 'remove-route',
        route: { destination: text as Cidr, device },
      })),
    },
    ...addresses.map((address) => ({ kind: 'remove-address', device, address }) as const),
    { kind: 'restore-forwarding', family: 4, table },
    { kind: 'delete-link', device },
    { kind: 'restore-forwarding', family: 6, table },
    { kind: 'delete-table', table },
  ];
}

/** What ALICE and BOB become, from what they have. */
function peerSteps(...moves: readonly (readonly [PublicKey, readonly string[], readonly string[]])[]): Operation {
  const changes = moves.flatMap(([publicKey, had, has]) => {
    const one = (texts: readonly string[]) =>
      texts.length === 0 ? undefined : { publicKey, allowedIPs: texts as readonly string[] as readonly Cidr[] };
    const before = one(had);
    const counters = { latestHandshake: 0, receivedBytes: 0, sentBytes: 0 };
    return peerChange(publicKey, one(has), before && { ...before, ...counters }) ?? [];
  });
  return { kind: 'set-peers', device, changes: orderPeerChanges(changes) };
}

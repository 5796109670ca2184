import { describe, expect, test } from 'vitest';
import type { NodePlan, NodeState } from '../../src/dataplane/node-plan.ts';
import { cleanup, diff, diffPeers, type Operation } from '../../src/dataplane/operation.ts';
import type { ObservedDevice } from '../../src/dataplane/wireguard/device.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import { afterOperation, BARE_NODE } from '../support/fake-host.ts';
import { allGranted } from '../support/grants.ts';
import { aNodePlan, aPublicKey, PLAN_NAMES } from '../support/node-plans.ts';

const ALICE = aPublicKey(1);
const BOB = aPublicKey(2);
const PEERS = { [ALICE]: ['10.213.0.16/32'], [BOB]: ['10.213.0.17/32'] };
const PLAN = aNodePlan({ peers: PEERS });

const perform = (state: NodeState, steps: readonly Operation[]) => steps.reduce(afterOperation, state);
const at = (plan: NodePlan) => perform(BARE_NODE, diff(plan, BARE_NODE));
const kinds = (steps: readonly Operation[]) => steps.map(({ kind }) => kind);
const device = (state: NodeState, change: Partial<ObservedDevice>): NodeState => ({
  ...state,
  device: state.device && { ...state.device, ...change },
});

describe('from a bare node to a plan', () => {
  test('the firewall comes before packets can, addresses before routes', () => {
    expect(kinds(diff(PLAN, BARE_NODE))).toEqual([
      'replace-table',
      'create-link',
      'set-device',
      'add-address',
      'add-address',
      'set-rp-filter',
      'turn-on-forwarding',
      'turn-on-forwarding',
      'set-link',
      'set-peers',
      'add-route',
      'add-route',
    ]);
  });

  test('nothing is left to do then', () => {
    expect(diff(PLAN, at(PLAN))).toEqual([]);
  });

  test('forwarding that is on stays, and IPv6 is left alone where there is none', () => {
    const on = { ...BARE_NODE, sysctls: { forwarding4: true, forwarding6: true, turnedOn: [] } };
    expect(kinds(diff(PLAN, on))).not.toContain('turn-on-forwarding');
    const without = { ...BARE_NODE, sysctls: { forwarding4: true, turnedOn: [] } };
    expect(kinds(diff(PLAN, without))).not.toContain('turn-on-forwarding');
  });

  test('IPv6 forwarding, which makes a node deaf to router advertisements, is turned on for an IPv6 mesh only', () => {
    const steps = diff(aNodePlan({ addresses: ['10.213.0.1/32'] }), BARE_NODE);
    expect(steps.filter(({ kind }) => kind === 'turn-on-forwarding')).toMatchObject([{ family: 4 }]);
  });
});

describe('from one plan to another', () => {
  test.each<[string, NodePlan, readonly Operation['kind'][]]>([
    ['a peer more', aNodePlan({ peers: { ...PEERS, [aPublicKey(3)]: ['10.213.0.18/32'] } }), ['set-peers']],
    ['a peer less', aNodePlan({ peers: { [ALICE]: ['10.213.0.16/32'] } }), ['set-peers', 'forget-flows']],
    ['another service CIDR', aNodePlan({ peers: PEERS, serviceCidrs: ['10.43.0.0/16'] }), ['change-elements']],
    ['other access', aNodePlan({ peers: PEERS, accessDefault: 'Deny' }), ['replace-table']],
    ['another port', aNodePlan({ peers: PEERS, listenPort: 51841 }), ['replace-table', 'set-device']],
    ['another MTU', aNodePlan({ peers: PEERS, mtu: 1380 }), ['set-link']],
    ['another key', aNodePlan({ peers: PEERS, publicKey: aPublicKey(98) }), ['set-device']],
    [
      'another address: added before the old one goes',
      aNodePlan({ peers: PEERS, addresses: ['10.213.0.2/32', 'fd5a:213::1/128'] }),
      ['change-elements', 'add-address', 'remove-address'],
    ],
    [
      'another route: added before the old one goes',
      aNodePlan({ peers: PEERS, routes: ['10.213.0.0/16', '10.99.0.0/24'] }),
      ['add-route', 'remove-route'],
    ],
    ['another data plane', aNodePlan({ peers: PEERS, dataplane: 'Kernel' }), []],
  ])('%s', (_what, plan, expected) => {
    expect(kinds(diff(plan, at(PLAN)))).toEqual(expected);
    expect(diff(plan, at(plan))).toEqual([]);
  });

  test('an interface of the data plane that nobody wants is made anew, with all that belongs to it', () => {
    const steps = diff(aNodePlan({ peers: PEERS, dataplane: 'Userspace' }), at(PLAN));
    expect(kinds(steps).slice(0, 2)).toEqual(['delete-link', 'create-link']);
    expect(kinds(steps)).toContain('add-route');
    expect(kinds(steps)).toContain('set-rp-filter');
  });

  test('what a peer loses is taken before another gets it', () => {
    const swapped = aNodePlan({ peers: { [ALICE]: ['10.213.0.18/32'], [BOB]: ['10.213.0.16/32', '10.213.0.17/32'] } });
    const [step, forget] = diff(swapped, at(PLAN));
    expect(step).toMatchObject({ changes: [{ publicKey: ALICE }, { publicKey: BOB, added: ['10.213.0.16/32'] }] });
    expect(forget).toEqual({ kind: 'forget-flows', sources: ['10.213.0.16/32'] });
  });

  test.each([
    ['comes', undefined],
    ['is another', 'fingerprint-0'],
  ])('a preshared key that %s is one change of this peer', (_what, before) => {
    const [peer] = PLAN.device.peers.values();
    const found = peer && at(PLAN).device?.peers.get(peer.publicKey);
    if (peer === undefined || found === undefined) throw new Error('the plan has no peer');
    const presharedKey = { file: 'version-1', fingerprint: 'fingerprint-1' };
    const wanted = new Map(PLAN.device.peers).set(peer.publicKey, { ...peer, presharedKey });
    const plan = { ...PLAN, device: { ...PLAN.device, peers: wanted } };
    const state = (key: string | undefined) =>
      device(at(PLAN), { peers: new Map(at(PLAN).device?.peers).set(peer.publicKey, { ...found, presharedKey: key }) });
    expect(diff(plan, state(before))).toMatchObject([
      {
        kind: 'set-peers',
        changes: [{ kind: 'change', publicKey: peer.publicKey, presharedKey, added: [], removed: [] }],
      },
    ]);
    expect(diff(plan, state('fingerprint-1'))).toEqual([]);
  });

  test('a preshared key that nobody asked for goes', () => {
    const peers = new Map(at(PLAN).device?.peers);
    const [key, peer] = [...peers][0] ?? [];
    if (key !== undefined && peer !== undefined) peers.set(key, { ...peer, presharedKey: 'foreign' });
    expect(diff(PLAN, device(at(PLAN), { peers }))).toMatchObject([
      { kind: 'set-peers', changes: [{ presharedKey: 'none', added: [], removed: [] }] },
    ]);
  });
});

describe('when somebody else was at work', () => {
  const good = at(PLAN);
  test.each<[string, NodeState, readonly Operation['kind'][]]>([
    ['the table is gone', { ...good, ruleset: undefined }, ['replace-table']],
    ['a rule is gone', { ...good, ruleset: good.ruleset && { ...good.ruleset, intact: false } }, ['replace-table']],
    ['a route is gone', { ...good, routes: good.routes.slice(1) }, ['add-route']],
    ['the interface is down', device(good, { up: false }), ['set-link']],
    [
      'an address is too many',
      device(good, { addresses: [...(good.device?.addresses ?? []), '10.0.0.9/32' as Cidr] }),
      ['remove-address'],
    ],
    ['rp_filter is strict', { ...good, sysctls: { ...good.sysctls, rpFilter: 1 } }, ['set-rp-filter']],
    ['forwarding is off', { ...good, sysctls: { ...good.sysctls, forwarding4: false } }, ['turn-on-forwarding']],
    [
      'wireguard-go is gone, and with it all but the link and its addresses',
      device(good, { dataplane: 'Userspace', stopped: true, publicKey: undefined, listenPort: 0, peers: new Map() }),
      ['start-link', 'set-device', 'set-link', 'set-peers'],
    ],
  ])('%s', (_what, state, expected) => {
    expect(kinds(diff(PLAN, state))).toEqual(expected);
  });

  test('a new table remembers that we turned forwarding on', () => {
    expect(diff(PLAN, { ...good, ruleset: undefined })).toMatchObject([{ kind: 'replace-table', turnedOn: [4, 6] }]);
  });
});

describe('the steps for what single devices may reach', () => {
  const denying = (...grants: readonly string[]) =>
    aNodePlan({ accessDefault: 'Deny', granted: allGranted(...grants) });
  const one = '10.213.0.16 tcp 10.96.0.20 80';
  const other = '10.213.0.16 udp 10.96.0.20 80';
  const from = at(denying(one, other));

  test('change these elements alone, and end what the lost ones let in', () => {
    expect(diff(denying(other), from)).toEqual([
      {
        kind: 'change-elements',
        table: 'sallyport_default',
        changes: [{ set: 'by_peer_tcp4', added: [], removed: ['10.213.0.16 . 10.96.0.20 . 80'] }],
      },
      {
        kind: 'end-flows',
        flows: [{ source: '10.213.0.16', destination: '10.96.0.20/32', open: { protocol: 'tcp', port: 80 } }],
        kept: [],
      },
    ]);
  });

  test('end the same where the table changes its form in the same turn', () => {
    const reformed = { ...denying(other), ruleset: { ...denying(other).ruleset, chains: [] } };
    expect(diff(reformed, from)).toMatchObject([
      { kind: 'replace-table' },
      { kind: 'end-flows', flows: [{ source: '10.213.0.16', destination: '10.96.0.20/32' }] },
    ]);
    const allowing = aNodePlan({ accessDefault: 'Allow' });
    expect(kinds(diff(allowing, from))).toEqual(['replace-table']);
  });

  test('end nothing where something is added, or where other elements leave', () => {
    expect(kinds(diff(denying(one, other, '10.213.0.17 tcp 10.96.0.20 80'), from))).toEqual(['change-elements']);
    expect(kinds(diff(aNodePlan({ serviceCidrs: ['10.96.0.0/12'] }), at(aNodePlan({}))))).toEqual(['change-elements']);
  });
});

describe('the steps for some peers', () => {
  const observed = at(PLAN).device?.peers ?? new Map();

  test('concern those peers only', () => {
    const none = aNodePlan({ peers: {} }).device;
    expect(diffPeers(none, observed, [BOB])).toEqual([
      { kind: 'set-peers', device: 'wg-default', changes: [{ kind: 'remove', publicKey: BOB }] },
      { kind: 'forget-flows', sources: ['10.213.0.17/32'] },
    ]);
    expect(diffPeers(none, observed, [])).toEqual([]);
  });

  test('are none for a peer that is right, unknown, or named twice', () => {
    expect(diffPeers(PLAN.device, observed, [ALICE, ALICE, aPublicKey(9)])).toEqual([]);
    expect(diffPeers(PLAN.device, new Map(), [ALICE, ALICE])).toMatchObject([{ changes: [{ publicKey: ALICE }] }]);
  });
});

describe('cleanup', () => {
  test('goes in reverse, and the firewall goes last', () => {
    expect(kinds(cleanup(PLAN_NAMES, at(PLAN)))).toEqual([
      'remove-route',
      'remove-route',
      'delete-link',
      'forget-flows',
      'restore-forwarding',
      'restore-forwarding',
      'delete-table',
    ]);
  });

  test('leaves the node as it was', () => {
    expect(perform(at(PLAN), cleanup(PLAN_NAMES, at(PLAN)))).toEqual({
      ...BARE_NODE,
      device: undefined,
      ruleset: undefined,
    });
  });

  test('keeps forwarding on where a service proxy runs, whoever turned it on', () => {
    expect(kinds(cleanup(PLAN_NAMES, at(PLAN), 'nftables'))).not.toContain('restore-forwarding');
  });

  test('keeps forwarding that was on before us', () => {
    const on: NodeState = { routes: [], sysctls: { forwarding4: true, forwarding6: true, turnedOn: [] } };
    const state = perform(on, diff(PLAN, on));
    expect(perform(state, cleanup(PLAN_NAMES, state)).sysctls).toMatchObject({ forwarding4: true, forwarding6: true });
  });

  test('has nothing to do on a bare node', () => {
    expect(cleanup(PLAN_NAMES, BARE_NODE)).toEqual([]);
  });
});

import { beforeEach, describe, expect, test } from 'vitest';
import { NodeSync } from '../../src/agent/node-sync.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import type { Operation } from '../../src/dataplane/operation.ts';
import { Cache } from '../../src/k8s/store.ts';
import { type Granted, NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import { aKey, aMember, aServedGateway, NOW } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';
import { FakeHost } from '../support/fake-host.ts';
import { aFlow, allGranted } from '../support/grants.ts';

const WEB = '10.213.0.16 tcp 10.96.0.20 80';
const SHOP = '10.213.0.16 tcp 10.96.0.21 80';
const DENYING = aServedGateway({
  spec: { access: { default: 'Deny' } },
  status: { dns: { servers: ['10.96.0.10'], domain: 'cluster.local' } },
});
const ALLOWING = {
  ...DENYING,
  spec: { ...DENYING.spec, access: { ...DENYING.spec.access, default: 'Allow' as const } },
};

let host: FakeHost;
let gateways: Cache<MeshGateway>;
let sync: NodeSync;
let grants: Granted;
let isKnown: boolean;
let clock: ManualClock;
/** What connections could not be ended for, each time, and undefined when they could again. */
let told: unknown[];
/** An agent begins, on what the last one left. */
let start: () => void;

const open = () => host.state.ruleset?.elements.get('by_peer_tcp4');
const ended = () => host.ended.map(({ destination }) => destination);

function grant(...texts: readonly string[]): void {
  grants = texts.length === 0 ? NOTHING_GRANTED : allGranted(...texts);
  sync.grantsChanged();
}

/** The operator takes its word about the gateway back. */
function refuse(): void {
  const conditions = (DENYING.status?.conditions ?? []).map((one) =>
    one.type === 'Accepted' ? { ...one, status: 'False' as const } : one,
  );
  gateways.put({ ...DENYING, status: { ...DENYING.status, conditions } } as MeshGateway);
}

beforeEach(async () => {
  const peer = aMember();
  host = new FakeHost();
  gateways = new Cache<MeshGateway>(() => undefined);
  const peers = new Cache<MeshPeer>(() => undefined);
  gateways.put(DENYING);
  peers.put(peer);
  isKnown = true;
  clock = new ManualClock();
  told = [];
  start = () => {
    sync = new NodeSync({
      access: { isKnown: () => isKnown, granted: () => grants, ended: () => 0 },
      gateway: 'default',
      gateways,
      peers,
      host,
      clock: { now: () => NOW, monotonic: () => clock.monotonic(), timer: (ms, act) => clock.timer(ms, act) },
      probeKey: aKey('probe'),
      onOperation: () => undefined,
      onUnended: (error) => told.push(error),
    });
    sync.takePeer({ key: keyOf(peer.metadata), after: peer });
  };
  start();
  grant(WEB, SHOP);
  await sync.syncAll();
  expect(open()).toHaveLength(2);
});

describe('a grant that ends while the gateway is refused', () => {
  test.each([
    ['everything', () => sync.syncAll()],
    ['the peers', () => sync.syncPeers()],
    ['what changed', () => sync.syncTouched()],
  ])('ends at the next look at %s, alone, and nothing is added', async (_what, look) => {
    refuse();
    grant(SHOP, '10.213.0.16 tcp 10.96.0.22 80');
    await look();
    expect(sync.topology()).toBeUndefined();
    expect(open()).toEqual(['10.213.0.16 . 10.96.0.21 . 80']);
    expect(ended()).toEqual(['10.96.0.20/32']);
    host.applied.length = 0;
    await look();
    expect(host.applied).toEqual([]);
  });

  test('stays until everything that grants has been seen', async () => {
    refuse();
    isKnown = false;
    grant();
    await sync.syncAll();
    expect(open()).toHaveLength(2);
    isKnown = true;
    await sync.syncTouched();
    expect(open()).toEqual([]);
  });
});

describe('connections that could not be ended', () => {
  beforeEach(async () => {
    host.failures.set('end-flows', new Error('no conntrack'));
    grant(SHOP);
    await sync.syncTouched();
    expect(open()).toHaveLength(1);
  });

  test('are ended later, once, and the failure is told', async () => {
    await expect.poll(() => told).toEqual([new Error('no conntrack')]);
    expect([ended(), sync.unended]).toEqual([[], new Error('no conntrack')]);
    host.failures.clear();
    await clock.advance(1_000);
    await expect.poll(ended).toEqual(['10.96.0.20/32']);
    expect([told.at(-1), sync.unended]).toEqual([undefined, undefined]);
    await sync.syncAll();
    await clock.advance(60_000);
    expect(ended()).toHaveLength(1);
  });

  test('keep nobody from anything new, and are tried again after longer and longer waits', async () => {
    await expect.poll(() => told).toHaveLength(1);
    const bob = aMember({ name: 'bob', status: { addresses: ['10.213.0.17'] } });
    sync.takePeer({ key: keyOf(bob.metadata), after: bob });
    await sync.syncTouched();
    expect(host.state.device?.peers.has(aKey('team-a/bob'))).toBe(true);
    grant(SHOP, '10.213.0.17 tcp 10.96.0.20 80');
    for (const look of [() => sync.syncPeers(), () => sync.syncAll(), () => sync.syncRevoked()]) await look();
    expect([open(), told.length]).toEqual([['10.213.0.16 . 10.96.0.21 . 80', '10.213.0.17 . 10.96.0.20 . 80'], 1]);
    await clock.advance(1_000);
    expect(told).toHaveLength(2);
    await clock.advance(1_900);
    expect(told).toHaveLength(2);
    await clock.advance(100);
    expect([told.length, clock.pending]).toEqual([3, 1]);
    sync.close();
    expect(clock.pending).toBe(0);
  });

  test('go on when they are granted again', async () => {
    host.failures.clear();
    grant(WEB, SHOP);
    await sync.syncTouched();
    await clock.advance(60_000);
    expect([ended(), clock.pending]).toEqual([[], 0]);
  });
});

/** Steps of a kind wait until they are let go. */
function hold(kind: Operation['kind']): () => void {
  const held = Promise.withResolvers<void>();
  const apply = host.apply.bind(host);
  host.apply = (step) => (step.kind === kind ? held.promise.then(() => apply(step)) : apply(step));
  return held.resolve;
}

test('what ends while what has ended before is carried out is not forgotten', async () => {
  refuse();
  const release = hold('change-elements');
  grant(SHOP);
  const looking = sync.syncTouched();
  await clock.advance(0);
  grant();
  release();
  await looking;
  await sync.syncTouched();
  expect(open()).toEqual([]);
});

describe('many connections that end', () => {
  const ports = Array.from({ length: 100 }, (_, index) => `10.213.0.16 tcp 10.96.0.30 ${1_000 + index}`);
  const isEnded = (port: number) => host.ended.some(({ open }) => open?.port === port);

  beforeEach(async () => {
    grant(WEB, SHOP, ...ports);
    await sync.syncTouched();
    host.open = ports.map(aFlow);
  });

  test('go on where they are granted again before their turn has come', async () => {
    const release = hold('end-flows');
    grant(WEB, SHOP);
    await sync.syncTouched();
    grant(WEB, SHOP, ...ports.slice(90));
    await sync.syncTouched();
    release();
    await expect.poll(() => isEnded(1_089)).toBe(true);
    await clock.advance(0);
    expect(host.open).toEqual(ports.slice(90).map(aFlow));
  });

  test('are so few at a time where each takes long that what is granted again meanwhile goes on', async () => {
    const release = hold('end-flows');
    grant(WEB, SHOP);
    await sync.syncTouched();
    await clock.advance(4_000);
    release();
    await expect.poll(() => host.open).toEqual([]);
    const atOnce = host.applied.flatMap((step) => (step.kind === 'end-flows' ? [step.flows.length] : []));
    expect(atOnce).toEqual([4, 1, 32, 32, 31]);
  });

  test('are only those that are open', async () => {
    host.open = [aFlow(ports[50] ?? ''), aFlow('10.213.0.16 tcp 10.213.0.1 51840')];
    grant(WEB, SHOP);
    await sync.syncTouched();
    await expect.poll(ended).toEqual(['10.96.0.30/32']);
    expect(host.open).toHaveLength(1);
  });
});

test('nobody who is revoked waits for connections to be ended', async () => {
  const release = hold('end-flows');
  grant(SHOP);
  await sync.syncTouched();
  const gone = aMember({ spec: { suspended: true } });
  sync.takePeer({ key: keyOf(gone.metadata), before: aMember(), after: gone });
  await sync.syncTouched();
  expect(host.state.device?.peers.has(aKey('team-a/ada'))).toBe(false);
  expect(ended()).toEqual([]);
  release();
  await expect.poll(ended).toContain('10.96.0.20/32');
});

describe('connections that are open and that no element let in, or none that this agent has seen', () => {
  const [WEB_FLOW, DB] = [aFlow(WEB), aFlow('10.213.0.16 tcp 10.96.0.23 5432')];
  const OTHERS = [
    '10.213.0.16 udp 10.96.0.10 53',
    '10.213.0.16 tcp 10.213.0.1 51840',
    '10.213.0.16 icmp 10.213.0.1',
    '10.213.0.16 tcp 10.213.0.17 22',
    '10.213.0.15 tcp 10.96.0.1 443',
    '10.1.0.7 tcp 10.96.0.23 5432',
  ].map(aFlow);
  const left = () => host.open;

  test('are ended by an agent that begins, but for what is granted and what needs no grant', async () => {
    host.open = [WEB_FLOW, DB, aFlow('10.213.0.16 icmp 10.96.0.20'), ...OTHERS];
    start();
    await sync.syncAll();
    await expect.poll(left).toEqual([WEB_FLOW, ...OTHERS]);
  });

  test('are ended when the agent before was killed between the rules and them', async () => {
    host.open = [WEB_FLOW];
    host.failures.set('end-flows', new Error('killed'));
    grant(SHOP);
    await sync.syncTouched();
    host.failures.clear();
    start();
    await sync.syncAll();
    await expect.poll(left).toEqual([]);
  });

  test('are not looked for before everything that grants has been seen, nor again and again', async () => {
    host.open = [WEB_FLOW];
    const looks = host.flowLooks;
    isKnown = false;
    start();
    await sync.syncAll();
    expect(host.flowLooks).toBe(looks);
    isKnown = true;
    for (const look of [() => sync.syncAll(), () => sync.syncAll(), () => sync.syncPeers()]) await look();
    expect(host.flowLooks).toBe(looks + 1);
    expect(left()).toEqual([WEB_FLOW]);
  });

  test('end when a gateway begins to deny, and under one that allows none does', async () => {
    gateways.put(ALLOWING);
    await sync.syncAll();
    const looks = host.flowLooks;
    host.open = [WEB_FLOW, DB, ...OTHERS];
    start();
    await sync.syncAll();
    expect(host.flowLooks).toBe(looks);
    gateways.put(DENYING);
    await sync.syncAll();
    await expect.poll(left).toEqual([WEB_FLOW, ...OTHERS]);
  });

  test('end when the table that let them in was another', async () => {
    host.open = [WEB_FLOW, DB];
    host.drift('table', ({ ruleset: _gone, ...state }) => state);
    await sync.syncAll();
    await expect.poll(left).toEqual([WEB_FLOW]);
  });

  test('of many devices end at once, and those of somebody who is let in there go on', async () => {
    const from = (host: number, to: string) => aFlow(`10.213.0.${host} tcp ${to}`);
    const many = (to: string) => Array.from({ length: 20 }, (_, index) => from(100 + index, to));
    host.open = [WEB_FLOW, from(17, '10.96.0.20 80'), ...many('10.96.0.20 80'), ...many('10.96.0.23 5432')];
    start();
    await sync.syncAll();
    await expect.poll(left).toEqual([WEB_FLOW]);
    // Of the whole mesh where nobody is let in, and else of addresses without those of who is.
    expect(host.ended.map(({ source }) => source).sort()).toEqual(['10.213.0.0/16', '10.213.0.17', '10.213.0.96/27']);
  });

  test('are looked for again when that has failed, and the failure is told', async () => {
    host.open = [DB];
    host.blindness = new Error('no conntrack');
    start();
    await sync.syncAll();
    await expect.poll(() => told).toEqual([new Error('no conntrack')]);
    host.blindness = undefined;
    await clock.advance(1_000);
    await expect.poll(left).toEqual([]);
  });

  test('are looked for once the other table is in place, though others are being ended', async () => {
    const release = hold('end-flows');
    grant(SHOP);
    await sync.syncTouched();
    host.open = [DB];
    host.drift('table', ({ ruleset: _gone, ...state }) => state);
    const apply = host.apply.bind(host);
    const looks = host.flowLooks;
    host.apply = async (step) => {
      if (step.kind === 'replace-table') {
        release();
        await clock.advance(0);
        // What is opened until the rules are in place would be missed.
        expect(host.flowLooks).toBe(looks);
      }
      await apply(step);
    };
    await sync.syncAll();
    await expect.poll(left).toEqual([]);
  });

  test('are looked for once more when the rules change during a look', async () => {
    const looked = Promise.withResolvers<void>();
    const observe = host.observeFlows.bind(host);
    host.observeFlows = async (sources) => {
      const found = await observe(sources);
      await looked.promise;
      return found;
    };
    start();
    await sync.syncAll();
    host.open = [DB];
    host.drift('table', ({ ruleset: _gone, ...state }) => state);
    await sync.syncAll();
    looked.resolve();
    await expect.poll(left).toEqual([]);
  });

  test('are looked for by an agent that carried out grants before it had looked at everything', async () => {
    host.open = [DB];
    start();
    host.failures.set('replace-table', new Error('no nft'));
    host.drift('table', (state) => ({ ...state, ruleset: state.ruleset && { ...state.ruleset, intact: false } }));
    await expect(sync.syncAll()).rejects.toThrow('no nft');
    host.failures.clear();
    sync.grantsChanged();
    await sync.syncTouched();
    await sync.syncAll();
    await expect.poll(left).toEqual([]);
  });

  test('end when the gateway keeps more from the internet, or no longer names a DNS server', async () => {
    const [far, dns] = [aFlow('10.213.0.16 tcp 8.8.8.8 443'), aFlow('10.213.0.16 udp 10.96.0.10 53')];
    const internet = (except: readonly string[]) => ({ enabled: true, access: 'Allow', except });
    const { status } = DENYING;
    const put = (except: readonly string[], servers: readonly string[]) =>
      gateways.put({
        ...DENYING,
        spec: { ...DENYING.spec, advertise: { ...DENYING.spec.advertise, internet: internet(except) } },
        status: { ...status, dns: { ...status?.dns, servers }, internet: { excluded: [] } },
      } as unknown as MeshGateway);
    put([], ['10.96.0.10']);
    await sync.syncAll();
    await clock.advance(0);
    host.open = [WEB_FLOW, far, dns];
    const looks = host.flowLooks;
    await sync.syncAll();
    expect(host.flowLooks).toBe(looks);
    put([], ['10.96.0.11']);
    await sync.syncAll();
    await expect.poll(left).toEqual([WEB_FLOW, far]);
    put(['8.8.8.0/24'], ['10.96.0.11']);
    await sync.syncAll();
    await expect.poll(left).toEqual([WEB_FLOW]);
  });

  test('go on when the gateway allows by the time they would end', async () => {
    host.open = [WEB_FLOW];
    host.failures.set('end-flows', new Error('no conntrack'));
    grant(SHOP);
    await sync.syncTouched();
    host.failures.clear();
    gateways.put(ALLOWING);
    await sync.syncAll();
    await clock.advance(60_000);
    expect(left()).toEqual([WEB_FLOW]);
  });
});

test('grants for which there is no more room are known, for as long as that is so', async () => {
  const access = meshAccessType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshAccess',
    metadata: { name: 'late', namespace: 'shop' },
    spec: { from: [{ selector: {} }], to: [{}] },
  });
  expect(sync.cutGrants).toEqual([]);
  grants = { ...allGranted(WEB), cut: [access] };
  sync.grantsChanged();
  await sync.syncTouched();
  expect(sync.cutGrants).toEqual([access]);
  grant(WEB);
  await sync.syncTouched();
  expect(sync.cutGrants).toEqual([]);
  gateways.put(ALLOWING);
  await sync.syncAll();
  gateways.put(DENYING);
  expect(sync.cutGrants).toBeUndefined();
});

import { beforeEach, describe, expect, test } from 'vitest';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';
import { type Granted, NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import { aKey, aMember, aServedGateway, NOW } from '../support/builders.ts';
import { FakeHost } from '../support/fake-host.ts';
import { allGranted } from '../support/grants.ts';

const WEB = '10.213.0.16 tcp 10.96.0.20 80';
const SHOP = '10.213.0.16 tcp 10.96.0.21 80';
const DENYING = aServedGateway({ spec: { access: { default: 'Deny' } } });

let host: FakeHost;
let gateways: Cache<MeshGateway>;
let sync: NodeSync;
let grants: Granted;
let isKnown: boolean;

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
  sync = new NodeSync({
    access: { isKnown: () => isKnown, granted: () => grants, ended: () => 0 },
    gateway: 'default',
    gateways,
    peers,
    host,
    clock: { now: () => NOW, monotonic: () => 0, timer: () => () => undefined },
    probeKey: aKey('probe'),
    onOperation: () => undefined,
  });
  grant(WEB, SHOP);
  sync.takePeer({ key: keyOf(peer.metadata), after: peer });
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
    await expect(sync.syncPeers()).rejects.toThrow('no conntrack');
    expect(ended()).toEqual([]);
    host.failures.clear();
    await expect(sync.syncAll()).rejects.toThrow('no conntrack');
    await sync.syncAll();
    expect(ended()).toEqual(['10.96.0.20/32']);
    await sync.syncAll();
    expect(ended()).toHaveLength(1);
  });

  test('go on when they are granted again', async () => {
    host.failures.clear();
    grant(WEB, SHOP);
    await sync.syncTouched().catch(() => undefined);
    await sync.syncAll();
    expect(ended()).toEqual([]);
  });
});

test('nobody who is revoked waits for connections to be ended', async () => {
  const held = Promise.withResolvers<void>();
  const apply = host.apply.bind(host);
  host.apply = (step) => (step.kind === 'end-flows' ? held.promise.then(() => apply(step)) : apply(step));
  grant(SHOP);
  await sync.syncTouched();
  const gone = aMember({ spec: { suspended: true } });
  sync.takePeer({ key: keyOf(gone.metadata), before: aMember(), after: gone });
  await sync.syncTouched();
  expect(host.state.device?.peers.has(aKey('team-a/ada'))).toBe(false);
  expect(ended()).toEqual([]);
  held.resolve();
  await expect.poll(ended).toContain('10.96.0.20/32');
});

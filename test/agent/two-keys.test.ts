import { beforeEach, describe, expect, test } from 'vitest';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway, MeshGatewayStatus } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';
import { NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import { aKey, aMember, aServedGateway, NOW } from '../support/builders.ts';
import { FakeHost } from '../support/fake-host.ts';

const [FIRST, SECOND] = [aKey('first'), aKey('second')];
const ADA = aKey('team-a/ada');
type Keys = NonNullable<MeshGatewayStatus['keys']>;

let host: FakeHost;
let gateways: Cache<MeshGateway>;
let sync: NodeSync;
let time: number;

function decided(state: Keys[number]['state'], other: Keys[number]['state'], newer?: string): void {
  const keys: Keys = [
    { publicKey: FIRST, state, slot: 1, listenPort: 51840, interface: 'wg-default' },
    { publicKey: SECOND, state: other, slot: 2, listenPort: 51841, interface: 'wg-default_2' },
  ];
  for (const key of keys) if (key.publicKey === newer) key.newer = true;
  const publicKey = keys.find((key) => key.state === 'Current')?.publicKey ?? '';
  gateways.put(aServedGateway({ status: { publicKey, keys } }));
}

function started(): NodeSync {
  const next = new NodeSync({
    gateway: 'default',
    gateways,
    peers: new Cache<MeshPeer>(() => undefined),
    host,
    clock: { now: () => NOW + time, monotonic: () => time, timer: () => () => undefined },
    probeKey: aKey('probe'),
    access: { isKnown: () => true, granted: () => NOTHING_GRANTED, ended: () => 0 },
    onOperation: () => undefined,
  });
  const peer = aMember();
  next.takePeer({ key: keyOf(peer.metadata), after: peer });
  return next;
}

const routes = () => host.state.routes.map(({ destination, device }) => `${destination} ${device}`).sort();

beforeEach(() => {
  time = 0;
  host = new FakeHost();
  gateways = new Cache<MeshGateway>(() => undefined);
  decided('Current', 'Next');
  sync = started();
});

describe('a node of a gateway with two keys', () => {
  test('lets every peer in by both, and leads its answers where it came last', async () => {
    await sync.syncAll();
    expect(host.state.device?.peers.get(ADA)?.allowedIPs).toEqual(host.state.other?.device.peers.get(ADA)?.allowedIPs);
    decided('Former', 'Current');
    await sync.syncAll();
    expect(host.state.device).toMatchObject({ name: 'wg-default_2', publicKey: SECOND });
    expect(routes()).toEqual(['10.213.0.0/16 wg-default', '10.213.0.15/32 wg-default_2']);
    host.arrivals = ['10.213.0.20 . wg-default_2'];
    await sync.syncArrivals();
    expect(routes()).toContain('10.213.0.20/32 wg-default_2');
    host.arrivals = ['10.213.0.20 . wg-default'];
    await sync.syncArrivals();
    expect(routes()).not.toContain('10.213.0.20/32 wg-default_2');
  });

  test('leads nobody elsewhere when the former key is put back', async () => {
    decided('Former', 'Current');
    await sync.syncAll();
    host.arrivals = ['10.213.0.20 . wg-default_2'];
    await sync.syncArrivals();
    decided('Current', 'Former', SECOND);
    await sync.syncAll();
    expect(routes()).toEqual(['10.213.0.0/16 wg-default', '10.213.0.20/32 wg-default_2']);
  });

  test('follows a device that shakes hands by the other key and sends nothing', async () => {
    decided('Former', 'Current');
    await sync.syncAll();
    await sync.syncPeers();
    host.handshake(ADA, { latestHandshake: 10 }, 'wg-default_2');
    await sync.syncPeers();
    expect(routes()).toContain('10.213.0.20/32 wg-default_2');
    host.handshake(ADA, { latestHandshake: 11 }, 'wg-default');
    await sync.syncPeers();
    expect(routes()).not.toContain('10.213.0.20/32 wg-default_2');
  });

  test('takes nobody for a peer who is none', async () => {
    decided('Former', 'Current');
    await sync.syncAll();
    host.arrivals = ['10.213.0.99 . wg-default_2', 'nonsense', '10.213.0.15 . wg-default'];
    await sync.syncArrivals();
    expect(routes()).toEqual(['10.213.0.0/16 wg-default', '10.213.0.15/32 wg-default_2']);
  });

  test('knows after a restart of its agent who has moved', async () => {
    decided('Former', 'Current');
    await sync.syncAll();
    host.arrivals = ['10.213.0.20 . wg-default_2'];
    await sync.syncArrivals();
    const before = routes();
    sync = started();
    expect(await sync.syncAll()).toMatchObject({ operations: [] });
    expect(routes()).toEqual(before);
  });

  test('puts out on both who is revoked, also while nothing else works', async () => {
    await sync.syncAll();
    sync.takePeer({ key: keyOf(aMember().metadata), before: aMember() });
    await sync.syncRevoked();
    expect([host.state.device, host.state.other?.device].map((device) => device?.peers.has(ADA))).toEqual([
      false,
      false,
    ]);
  });

  test('puts out who is revoked before it leads anybody, and still carries out what is granted', async () => {
    decided('Former', 'Current');
    await sync.syncAll();
    sync.takePeer({ key: keyOf(aMember().metadata), before: aMember() });
    sync.grantsChanged();
    await sync.syncArrivals();
    expect([host.state.device, host.state.other?.device].map((device) => device?.peers.has(ADA))).toEqual([
      false,
      false,
    ]);
    expect(sync.hasTouched).toBe(true);
  });

  test('reports by which key a device came last', async () => {
    decided('Former', 'Current');
    await sync.syncAll();
    host.handshake(ADA, { latestHandshake: 10 }, 'wg-default');
    await sync.syncPeers();
    expect(sync.observedPeers.get(ADA)).toMatchObject({ latestHandshake: 10, isByOtherKey: true });
    host.handshake(ADA, { latestHandshake: 11 }, 'wg-default_2');
    await sync.syncPeers();
    expect(sync.observedPeers.get(ADA)?.isByOtherKey).toBeUndefined();
    expect(sync.otherKey).toBe(FIRST);
  });
});

test('a slot that served another key before is made anew, so that no handshake is taken for one with the new key', async () => {
  decided('Former', 'Current');
  await sync.syncAll();
  host.handshake(ADA, { latestHandshake: 10 }, 'wg-default');
  const third = aKey('third');
  const place = { listenPort: 51840, interface: 'wg-default' };
  const current = { publicKey: SECOND, slot: 2, listenPort: 51841, interface: 'wg-default_2' };
  gateways.put(
    aServedGateway({
      status: {
        publicKey: SECOND,
        keys: [
          { ...current, state: 'Current' },
          { ...place, publicKey: third, slot: 1, state: 'Next' },
        ],
      },
    }),
  );
  await sync.syncAll();
  expect(host.state.other?.device).toMatchObject({ name: 'wg-default', publicKey: third });
  expect(host.state.other?.device.peers.get(ADA)).toMatchObject({ latestHandshake: 0 });
  expect(routes()).toEqual(['10.213.0.0/16 wg-default_2']);
});

describe('a node that cannot serve the next key', () => {
  test('serves the present one, says why, and tries again later', async () => {
    decided('Current', 'Current');
    gateways.put(aServedGateway({ status: { publicKey: FIRST } }));
    await sync.syncAll();
    decided('Current', 'Next');
    host.failures.set('create-link', Object.assign(new Error('the UDP port 51841 is taken'), { name: 'PortBusy' }));
    // It has changed nothing for good, and nobody else has changed anything.
    expect(await sync.syncAll()).toMatchObject({ mended: false });
    expect(sync.otherKey).toBeUndefined();
    expect(sync.nextKeyProblem).toContain('next key cannot be served on this node: The UDP port 51841 is taken');
    expect(host.state.other).toBeUndefined();
    expect(host.state.device?.peers.has(ADA)).toBe(true);
    expect(await sync.syncAll()).toMatchObject({ operations: [] });

    host.failures.clear();
    time = 60_000;
    await sync.syncAll();
    expect([sync.otherKey, sync.nextKeyProblem]).toEqual([SECOND, undefined]);
  });

  test('fails as ever where its present interface is what fails', async () => {
    host.failures.set('create-link', new Error('no'));
    await expect(sync.syncAll()).rejects.toThrow('no');
  });

  test('waits for the kubelet to bring it', async () => {
    host.privateKeys = new Set([FIRST]);
    await sync.syncAll();
    expect([sync.otherKey, host.state.other, sync.nextKeyProblem]).toEqual([undefined, undefined, undefined]);
  });
});

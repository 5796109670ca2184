import { beforeEach, describe, expect, test } from 'vitest';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';
import { aKey, aMember, aServedGateway, NOW } from '../support/builders.ts';
import { FakeHost } from '../support/fake-host.ts';

const EXPIRY = NOW + 60_000;

describe('a clock that is set forward, which no timer notices', () => {
  const peer = aMember({ spec: { expiresAt: new Date(EXPIRY).toISOString() } });
  const host = new FakeHost();
  let now = NOW;
  let sync: NodeSync;

  const isIn = () => host.state.device?.peers.has(aKey('team-a/ada'));

  beforeEach(async () => {
    now = NOW;
    const gateways = new Cache<MeshGateway>(() => undefined);
    const peers = new Cache<MeshPeer>(() => undefined);
    gateways.put(aServedGateway());
    peers.put(peer);
    sync = new NodeSync({
      access: { isKnown: () => true, grants: () => [], ended: () => 0 },
      gateway: 'default',
      gateways,
      peers,
      host,
      clock: { now: () => now, monotonic: () => 0, timer: () => () => undefined },
      probeKey: aKey('probe'),
      onOperation: () => undefined,
    });
    sync.takePeer({ key: keyOf(peer.metadata), after: peer });
    await sync.syncAll();
    expect(isIn()).toBe(true);
  });

  test.each([
    ['everything is looked at', () => sync.syncAll()],
    ['the peers are looked at', () => sync.syncPeers()],
  ])('puts out who has expired the next time that %s, and that is no drift', async (_when, look) => {
    now = EXPIRY;
    expect(await look()).toMatchObject({ mended: false });
    expect(isIn()).toBe(false);
  });

  test('lets in again whom a clock that ran ahead put out', async () => {
    now = EXPIRY;
    await sync.syncPeers();
    now = NOW;
    await sync.syncPeers();
    expect(isIn()).toBe(true);
  });
});

describe('a device that changes its key', () => {
  const [old, next] = [aKey('old'), aKey('next')];
  const changing = (publicKey: string, nextPublicKey?: string) =>
    aMember({ spec: { publicKey, nextPublicKey }, status: { publicKey: old, nextPublicKey: next } });
  const SECONDS = NOW / 1000;
  let host: FakeHost;
  let sync: NodeSync;

  const holder = () =>
    [...(host.state.device?.peers.values() ?? [])]
      .filter(({ allowedIPs }) => allowedIPs.some((cidr) => cidr === '10.213.0.20/32'))
      .map(({ publicKey }) => (publicKey === old ? 'old' : 'next'));
  const take = (peer: MeshPeer) => sync.takePeer({ key: keyOf(peer.metadata), after: peer });

  beforeEach(async () => {
    host = new FakeHost();
    const gateways = new Cache<MeshGateway>(() => undefined);
    gateways.put(aServedGateway());
    const clock = { now: () => NOW, monotonic: () => 0, timer: () => () => undefined };
    const peers = new Cache<MeshPeer>(() => undefined);
    const rest = { clock, probeKey: aKey('probe'), onOperation: () => undefined };
    sync = new NodeSync({
      access: { isKnown: () => true, grants: () => [], ended: () => 0 },
      gateway: 'default',
      gateways,
      peers,
      host,
      ...rest,
    });
    take(changing(old, next));
    await sync.syncAll();
    host.applied.length = 0;
  });

  test('has its addresses with the key of its latest handshake, by one step that is no mending and ends no connection', async () => {
    expect(holder()).toEqual(['old']);
    host.handshake(old, { latestHandshake: SECONDS - 5 });
    expect(await sync.syncPeers()).toEqual({ operations: [], mended: false });
    host.handshake(next, { latestHandshake: SECONDS });
    expect(await sync.syncPeers()).toMatchObject({ operations: [{ kind: 'set-peers' }], mended: false });
    expect(holder()).toEqual(['next']);
    for (const look of [() => sync.syncTouched(), () => sync.syncPeers(), () => sync.syncAll()])
      expect(await look()).toEqual({ operations: [], mended: false });
    host.handshake(old, { latestHandshake: SECONDS + 1 });
    await sync.syncPeers();
    expect(holder()).toEqual(['old']);
    expect(host.forgotten).toEqual([]);
  });

  test('keeps its connections when the change ends, and the former key is out', async () => {
    host.handshake(next, { latestHandshake: SECONDS });
    await sync.syncPeers();
    take(changing(next));
    await sync.syncTouched();
    expect([host.state.device?.peers.has(old), holder()]).toEqual([false, ['next']]);
    expect(host.forgotten).toEqual([]);
  });

  test.each([
    ['suspended', { spec: { suspended: true } }],
    ['deleted', { metadata: { deletionTimestamp: '2026-08-01T11:59:59Z' } }],
  ])('is out with both keys by one step once it is %s, and its connections end', async (_how, parts) => {
    host.handshake(next, { latestHandshake: SECONDS });
    await sync.syncPeers();
    host.applied.length = 0;
    const spec = { publicKey: old, nextPublicKey: next, ...('spec' in parts ? parts.spec : {}) };
    take(aMember({ ...parts, spec, status: { publicKey: old, nextPublicKey: next } }));
    await sync.syncTouched();
    expect([...(host.state.device?.peers.keys() ?? [])]).toEqual([aKey('probe')]);
    expect(host.applied.map(({ kind }) => kind)).toEqual(['set-peers', 'forget-flows']);
    expect(host.forgotten).toEqual(['10.213.0.20/32']);
  });

  test('is found as it is by an agent that begins anew, and another hand is mended back to it', async () => {
    host.handshake(old, { latestHandshake: SECONDS - 5 });
    host.handshake(next, { latestHandshake: SECONDS });
    await sync.syncPeers();
    host.drift('somebody', (state) => {
      const peers = new Map(state.device?.peers);
      for (const [key, peer] of peers) if (key === next) peers.set(key, { ...peer, allowedIPs: [] });
      return { ...state, device: state.device && { ...state.device, peers } };
    });
    expect(await sync.syncAll()).toMatchObject({ mended: true });
    expect(holder()).toEqual(['next']);
  });
});

import { beforeEach, describe, expect, test } from 'vitest';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';
import { NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
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
      access: { isKnown: () => true, granted: () => NOTHING_GRANTED, ended: () => 0 },
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

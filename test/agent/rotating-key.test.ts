import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';
import { NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { aKey, aMember, aServedGateway, NOW } from '../support/builders.ts';
import { FakeHost } from '../support/fake-host.ts';

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
  /** An agent that begins on a node. */
  function begun(on: FakeHost): [FakeHost, NodeSync] {
    const gateways = new Cache<MeshGateway>(() => undefined);
    gateways.put(aServedGateway());
    const clock = { now: () => NOW, monotonic: () => 0, timer: () => () => undefined };
    const peers = new Cache<MeshPeer>(() => undefined);
    const access = { isKnown: () => true, granted: () => NOTHING_GRANTED, ended: () => 0 };
    const rest = { access, clock, probeKey: aKey('probe'), onOperation: () => undefined };
    return [on, new NodeSync({ gateway: 'default', gateways, peers, host: on, ...rest })];
  }
  const take = (peer: MeshPeer) => sync.takePeer({ key: keyOf(peer.metadata), after: peer });

  beforeEach(async () => {
    [host, sync] = begun(new FakeHost());
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

  let keys: readonly [PublicKey, PublicKey?];
  let seconds: number;

  const asksFor = async (wished: readonly [PublicKey, PublicKey?]) => {
    keys = wished;
    take(changing(...keys));
  };
  const shakesHands = async (key: PublicKey) => host.handshake(key, { latestHandshake: ++seconds });
  const happenings: Readonly<Record<string, () => Promise<unknown>>> = {
    'the former key shakes hands': () => shakesHands(old),
    'the next key shakes hands': () => shakesHands(next),
    'both keys are asked for': () => asksFor([old, next]),
    'both are asked for the other way round': () => asksFor([next, old]),
    'the former key alone is asked for': () => asksFor([old]),
    'the next key alone is asked for': () => asksFor([next]),
    'what changed is carried out': () => sync.syncTouched(),
    'another agent takes over': async () => {
      [host, sync] = begun(host);
      await asksFor(keys);
    },
  };
  const looks: Readonly<Record<string, () => Promise<unknown>>> = {
    'the peers are looked at': () => sync.syncPeers(),
    'everything is looked at': () => sync.syncAll(),
  };

  test('is, after every look, where its latest handshake says, whatever happened before', async () => {
    const steps = fc.constantFrom(...Object.keys({ ...happenings, ...looks }));
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 20 }), async (walk) => {
        seconds = SECONDS;
        [host, sync] = begun(new FakeHost());
        await asksFor([old, next]);
        await sync.syncAll();
        for (const step of walk) {
          await { ...happenings, ...looks }[step]?.();
          if (!(step in looks) || sync.state === undefined) continue;
          expect(holder()).toEqual([latest()]);
          expect(await sync.syncAll()).toEqual({ operations: [], mended: false });
        }
      }),
      { numRuns: 200 },
    );
  });

  /** Which of the keys that are asked for shook hands last; the first while neither did. */
  function latest(): string {
    const shook = (key: PublicKey | undefined) => host.state.device?.peers.get(key ?? old)?.latestHandshake ?? 0;
    const [first, second = first] = keys;
    return (shook(second) > shook(first) ? second : first) === old ? 'old' : 'next';
  }
});

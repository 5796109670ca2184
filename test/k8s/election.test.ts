import { describe, expect, test } from 'vitest';
import { leaseType } from '../../src/api/core.ts';
import { campaign, type ElectionNotice, type ElectionOptions } from '../../src/k8s/election.ts';
import { microTime } from '../../src/k8s/lease.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { type FakeCluster, startFakeCluster } from '../support/fake-api-server/cluster.ts';

const PLACE = { name: 'operator', namespace: 'sallyport-system' };
const TIMING = { leaseSeconds: 1, renewDeadlineMs: 400, retryMs: 40 };

interface Candidate {
  readonly terms: readonly AbortSignal[];
  readonly notices: readonly ElectionNotice[];
  /** Resolves when this has been told so many times. */
  told(kind: ElectionNotice['kind'], times?: number): Promise<void>;
  stop(): Promise<void>;
}

function stand(transport: Transport, identity: string, options: Partial<ElectionOptions> = {}): Candidate {
  const stop = new AbortController();
  const notices: ElectionNotice[] = [];
  const terms: AbortSignal[] = [];
  const watchers = new Set<() => void>();
  const ended = campaign(
    transport,
    {
      ...PLACE,
      identity,
      clock: systemClock,
      random: () => 0,
      signal: stop.signal,
      timing: TIMING,
      onNotice: (notice) => {
        notices.push(notice);
        for (const look of watchers) look();
      },
      ...options,
    },
    async (term) => {
      terms.push(term);
      if (!term.aborted) await new Promise((resolve) => term.addEventListener('abort', resolve, { once: true }));
    },
  );
  const told = (kind: ElectionNotice['kind'], times = 1) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (notices.filter((notice) => notice.kind === kind).length < times) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });
  const stopped = () => {
    stop.abort();
    return ended;
  };
  return { terms, notices, told, stop: stopped };
}

function transportOf({ server }: FakeCluster): Transport {
  return createTransport(server.connection(), { userAgent: 'other' });
}

async function holder({ client }: FakeCluster): Promise<string | undefined> {
  return (await client.get(leaseType, PLACE.name, PLACE.namespace))?.spec.holderIdentity;
}

/** Someone else's lease, renewed at a time that our clock would call long ago or far away. */
function foreignLease({ client }: FakeCluster, renewTime: number, version = 0) {
  const spec = {
    holderIdentity: 'someone',
    leaseDurationSeconds: 0.3,
    renewTime: microTime(renewTime),
    leaseTransitions: version,
  };
  return client.apply(leaseType, { metadata: PLACE, spec }, { fieldManager: 'someone' });
}

describe('leader election', () => {
  test('a lease of someone else is waited for by our own monotonic clock, whatever time it bears', async () => {
    for (const renewTime of [0, Date.UTC(2100, 0, 1)]) {
      const cluster = await startFakeCluster();
      await foreignLease(cluster, renewTime);
      const began = systemClock.monotonic();
      const us = stand(cluster.transport, 'us');
      await us.told('elected');
      expect(systemClock.monotonic() - began).toBeGreaterThan(290);
      expect(us.notices[0]).toEqual({ kind: 'following', leader: 'someone' });
      await us.stop();
    }
  });

  test('a lease that is renewed is never taken', async () => {
    const cluster = await startFakeCluster();
    await foreignLease(cluster, 0);
    const us = stand(cluster.transport, 'us');
    for (let i = 1; i <= 8; i++) {
      await new Promise((resolve) => setTimeout(resolve, 80));
      await foreignLease(cluster, 0, i);
    }
    expect([us.terms.length, await holder(cluster)]).toEqual([0, 'someone']);
    await us.stop();
  });

  test('ten candidates at once: one leads, the others lose to its version', async () => {
    const cluster = await startFakeCluster();
    const others = Array.from({ length: 10 }, (_, i) => stand(cluster.transport, `c${i}`));
    await Promise.race(others.map((each) => each.told('elected')));
    await cluster.server.until(() => cluster.server.seen('leases', 'PUT').length > 5);
    expect(others.filter(({ terms }) => terms.length > 0)).toHaveLength(1);
    await Promise.all(others.map((each) => each.stop()));
  });

  test('a leader that cannot renew ends its work before its lease ends, then stands again', async () => {
    const cluster = await startFakeCluster();
    const us = stand(cluster.transport, 'us');
    await us.told('elected');
    cluster.server.fault({ path: 'leases', action: { kind: 'stall' } });
    const began = systemClock.monotonic();
    await us.told('lost');
    const took = systemClock.monotonic() - began;
    expect(us.terms[0]?.aborted).toBe(true);
    expect(took).toBeLessThan(TIMING.leaseSeconds * 1000 - 300);
    cluster.server.faults.clear();
    await us.told('elected', 2);
    await us.stop();
    expect(us.terms).toHaveLength(2);
  });

  test('one request that hangs does not end a term', async () => {
    const cluster = await startFakeCluster();
    const us = stand(cluster.transport, 'us');
    await us.told('elected');
    cluster.server.fault({ path: 'leases', times: 1, action: { kind: 'stall' } });
    await us.told('failed');
    const renewals = cluster.server.seen('leases', 'PUT').length;
    await cluster.server.until(() => cluster.server.seen('leases', 'PUT').length > renewals + 3);
    expect(us.notices.filter(({ kind }) => kind === 'lost')).toEqual([]);
    await us.stop();
  });

  test('what counts is when a renewal was sent, not when its answer came', async () => {
    const cluster = await startFakeCluster();
    const timing = { leaseSeconds: 1, renewDeadlineMs: 700, retryMs: 40 };
    const us = stand(cluster.transport, 'us', { timing });
    await us.told('elected');
    cluster.server.fault({ method: 'PUT', times: 1, action: { kind: 'slow', ms: 300 } });
    cluster.server.fault({ action: { kind: 'cut' } });
    await cluster.server.until(() => cluster.server.seen('leases', 'PUT').length === 1);
    const sent = systemClock.monotonic();
    await us.told('lost');
    expect(systemClock.monotonic() - sent).toBeLessThan(900);
    await us.stop();
  });

  test('a renewal that is on its way does not keep the lease from being released', async () => {
    const cluster = await startFakeCluster();
    const us = stand(cluster.transport, 'us');
    await us.told('elected');
    cluster.server.fault({ method: 'PUT', times: 1, action: { kind: 'slow', ms: 100 } });
    await cluster.server.until(() => cluster.server.seen('leases', 'PUT').length === 1);
    await us.stop();
    expect(await holder(cluster)).toBe('');
  });

  test('a lease is released also after a renewal whose answer was lost', async () => {
    const cluster = await startFakeCluster();
    const us = stand(cluster.transport, 'us');
    await us.told('elected');
    cluster.server.fault({ method: 'PUT', times: 1, action: { kind: 'cut' } });
    await us.told('failed');
    await us.stop();
    expect(await holder(cluster)).toBe('');
  });

  test('a leader whose lease was taken over ends its work at once', async () => {
    const cluster = await startFakeCluster();
    const us = stand(cluster.transport, 'us');
    await us.told('elected');
    await foreignLease(cluster, 0);
    await us.told('lost');
    expect([us.terms[0]?.aborted, await holder(cluster)]).toEqual([true, 'someone']);
    await us.stop();
  });

  test('a leader that stops ends its work first, then releases, and the next one leads at once', async () => {
    const cluster = await startFakeCluster();
    const own = transportOf(cluster);
    const first = stand(own, 'first');
    await first.told('elected');
    const second = stand(cluster.transport, 'second');
    await second.told('following');
    const began = systemClock.monotonic();
    await first.stop();
    own.close();
    await second.told('elected');
    expect(systemClock.monotonic() - began).toBeLessThan(500);
    expect(first.notices.map(({ kind }) => kind)).toEqual(['elected', 'released']);
    await second.stop();
    expect(await holder(cluster)).toBe('');
  });

  test('the same identity takes up its own lease without waiting', async () => {
    const cluster = await startFakeCluster();
    const spec = { holderIdentity: 'us', leaseDurationSeconds: 3600, renewTime: microTime(0), leaseTransitions: 4 };
    await cluster.client.create(leaseType, { metadata: PLACE, spec });
    const us = stand(cluster.transport, 'us');
    await us.told('elected');
    const lease = await cluster.client.get(leaseType, PLACE.name, PLACE.namespace);
    expect(lease?.spec.leaseTransitions).toBe(4);
    await us.stop();
  });

  test('a candidate that stops without leading leaves no request behind', async () => {
    const cluster = await startFakeCluster();
    await foreignLease(cluster, 0);
    const us = stand(cluster.transport, 'us');
    await us.told('following');
    await us.stop();
    expect([us.terms.length, await holder(cluster)]).toEqual([0, 'someone']);
  });

  test('work that ends by itself ends the campaign, work that throws as well, and both release', async () => {
    const cluster = await startFakeCluster();
    const options = { ...PLACE, clock: systemClock, signal: cluster.signal, timing: TIMING };
    await campaign(cluster.transport, { ...options, identity: 'a' }, async () => undefined);
    expect(await holder(cluster)).toBe('');
    const broken = campaign(cluster.transport, { ...options, identity: 'b' }, async () => {
      throw new Error('broken work');
    });
    await expect(broken).rejects.toThrow('broken work');
    expect(await holder(cluster)).toBe('');
  });
});

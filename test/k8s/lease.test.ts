import { describe, expect, test } from 'vitest';
import { type Lease, leaseType } from '../../src/api/core.ts';
import { keyOf } from '../../src/api/resource.ts';
import { createClient } from '../../src/k8s/client.ts';
import { heartbeat, LeaseObservations, microTime } from '../../src/k8s/lease.ts';
import { startFakeCluster } from '../support/fake-api-server/cluster.ts';
import { ManualClock } from '../support/fake-clock.ts';

function lease(renewTime: number, more: Partial<Lease['spec']> = {}, uid = 'u'): Lease {
  const metadata = { name: 'l', namespace: 'n', uid, resourceVersion: '1', creationTimestamp: '' };
  const spec = { holderIdentity: 'me', leaseDurationSeconds: 10, renewTime: microTime(renewTime), ...more };
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
}

describe('microTime', () => {
  test('has six digits and a Z', () => {
    expect(microTime(Date.UTC(2026, 10, 21, 3, 4, 5, 67))).toBe('2026-11-21T03:04:05.067000Z');
  });
});

describe('whether a lease is alive', () => {
  test('is a matter of when it last changed before our eyes', () => {
    const seen = new LeaseObservations();
    expect(seen.remainingMs(lease(0), 0)).toBe(0);
    seen.observe(lease(0), 1000);
    expect([1000, 6000, 11_000, 12_000].map((now) => seen.remainingMs(lease(0), now))).toEqual([10_000, 5000, 0, 0]);
    seen.observe(lease(0), 6000);
    expect(seen.remainingMs(lease(0), 6000)).toBe(5000);
    seen.observe(lease(1), 6000);
    expect(seen.remainingMs(lease(1), 6000)).toBe(10_000);
  });

  test('ends when it is released or made anew by the same name', () => {
    const seen = new LeaseObservations();
    const released = lease(0, { holderIdentity: '' });
    seen.observe(released, 0);
    expect(seen.remainingMs(released, 0)).toBe(0);
    seen.observe(lease(0), 0);
    seen.observe(lease(0, {}, 'another uid'), 5000);
    expect(seen.remainingMs(lease(0), 5000)).toBe(10_000);
    seen.forget(keyOf(lease(0).metadata));
    expect(seen.remainingMs(lease(0), 5000)).toBe(0);
  });
});

describe('a heartbeat', () => {
  test.each([
    ['is refused', { kind: 'refuse', code: 500 }],
    ['finds no answer', { kind: 'stall' }],
  ] as const)('renews at its pace, again soon after one %s, and ends with its signal', async (_how, action) => {
    const { transport, server } = await startFakeCluster();
    const client = createClient(transport, { timeoutMs: 1_000 });
    const clock = new ManualClock();
    const stop = new AbortController();
    const failures: unknown[] = [];
    const beating = heartbeat(client, {
      name: 'node-a',
      namespace: 'sallyport-system',
      identity: 'pod-1',
      fieldManager: 'agent',
      labels: { gateway: 'default' },
      clock,
      random: () => 0.5,
      signal: stop.signal,
      onFailure: (error) => failures.push(error),
    });
    const beats = async (count: number) => {
      await server.until(() => server.seen('leases').length === count);
      // The answer arms the next wait.
      while (clock.pending === 0) await new Promise(setImmediate);
    };
    await beats(1);
    server.fault({ times: 1, action });
    await clock.advance(10_000);
    await beats(2);
    await clock.advance(1_050);
    await beats(3);
    const renewed = await client.get(leaseType, 'node-a', 'sallyport-system');
    expect(renewed).toMatchObject({
      metadata: { labels: { gateway: 'default' } },
      spec: { holderIdentity: 'pod-1', leaseDurationSeconds: 40, renewTime: microTime(clock.now()) },
    });
    expect(failures).toHaveLength(1);
    stop.abort();
    await beating;
    expect(clock.pending).toBe(0);
  });
});

import { expect, test } from 'vitest';
import { configMapType, type Lease, leaseType } from '../../../src/api/core.ts';
import type { KubernetesObject, OwnerReference, ResourceType } from '../../../src/api/resource.ts';
import { campaign } from '../../../src/k8s/election.ts';
import { createEventRecorder, eventType } from '../../../src/k8s/events.ts';
import { heartbeat } from '../../../src/k8s/lease.ts';
import type { Transport } from '../../../src/k8s/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { at, following, NAMESPACE, type Parties, until } from './parties.ts';

export function describeLeases(parties: () => Parties): void {
  test('of two candidates one leads; when it goes, the other follows at once', async () => {
    const { client, transport, fresh } = parties();
    const name = fresh();
    const candidates = ['a', 'b'].map((identity) => candidate(transport, name, identity));
    const holder = async () => (await client.get(leaseType, name, NAMESPACE))?.spec.holderIdentity;
    const first = await Promise.race(candidates.map((each) => each.elected));
    const second = candidates.find((each) => each !== first);
    expect([await holder(), second?.leading()]).toEqual([first.identity, false]);
    const began = systemClock.monotonic();
    await first.stop();
    await second?.elected;
    // Far less than the 5 s that the lease would have lasted.
    expect(systemClock.monotonic() - began).toBeLessThan(3000);
    const lease = await client.get(leaseType, name, NAMESPACE);
    expect([lease?.spec.holderIdentity, lease?.spec.leaseDurationSeconds]).toEqual([second?.identity, 5]);
    expect(lease?.spec.leaseTransitions).toBeGreaterThan(0);
    await second?.stop();
    expect((await holder()) ?? '').toBe('');
  });

  test('a heartbeat renews a lease that its owner takes along', async () => {
    const { client, transport, fresh } = parties();
    const owned = await client.create(configMapType, { metadata: at(fresh()) });
    const owner: OwnerReference = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: owned.metadata.name,
      uid: owned.metadata.uid,
    };
    const name = fresh();
    const stop = new AbortController();
    const seen: Lease[] = [];
    const options = { everyMs: 30, identity: 'node-a', fieldManager: 'agent', clock: systemClock, signal: stop.signal };
    const beating = heartbeat(client, { ...at(name), ...options, labels: { for: name }, owner });
    await following(
      transport,
      { labelSelector: `for=${name}` },
      async (store) => {
        store.subscribe(({ after }) => after && seen.push(after));
        await until(store, () => seen.length >= 3);
      },
      leaseType,
    );
    stop.abort();
    await beating;
    expect(new Set(seen.map(({ spec }) => spec.renewTime)).size).toBe(seen.length);
    expect(seen[0]?.metadata.ownerReferences).toMatchObject([owner]);
    expect(seen[0]?.spec.renewTime).toMatch(/\.\d{6}Z$/);
  });
}

interface RecordedEvent extends KubernetesObject {
  readonly series?: { readonly count: number };
  readonly note: string;
  readonly reason: string;
  readonly regarding: { readonly name: string };
}

export function describeEvents(parties: () => Parties): void {
  test('the same happening is one Event with a count', async () => {
    const { client, fresh } = parties();
    const regarding = await client.create(configMapType, { metadata: at(fresh()) });
    const failures: unknown[] = [];
    const recorder = createEventRecorder(client, {
      controller: 'sallyport.dev/contract',
      instance: 'test',
      clock: systemClock,
      onFailure: (error) => failures.push(error),
    });
    const happening = { regarding, type: 'Warning', reason: 'Broken', action: 'Look', note: 'é'.repeat(2000) } as const;
    recorder.record(happening);
    await recorder.flush();
    recorder.record(happening);
    recorder.record(happening);
    recorder.record({ ...happening, reason: 'Different' });
    await recorder.flush();
    const type: ResourceType<RecordedEvent> = { ...eventType, parse: (raw) => raw as RecordedEvent };
    const { items } = await client.list(type, { namespace: NAMESPACE });
    const mine = items.filter((event) => event.regarding.name === regarding.metadata.name);
    const counts = mine.map((event) => [event.reason, event.series?.count]).sort();
    expect(failures).toEqual([]);
    expect(counts).toEqual([
      ['Broken', 3],
      ['Different', undefined],
    ]);
    expect(Buffer.byteLength(mine[0]?.note ?? '')).toBeLessThanOrEqual(1024);
  });
}

interface Standing {
  readonly identity: string;
  leading(): boolean;
  /** Resolves with the candidate when it leads for the first time. */
  readonly elected: Promise<Standing>;
  stop(): Promise<void>;
}

function candidate(transport: Transport, name: string, identity: string): Standing {
  const stop = new AbortController();
  const { promise, resolve } = Promise.withResolvers<Standing>();
  let leading = false;
  const election = { name, namespace: NAMESPACE, identity, clock: systemClock, signal: stop.signal };
  const timing = { leaseSeconds: 5, renewDeadlineMs: 3000, retryMs: 100 };
  const ended = campaign(transport, { ...election, timing }, async (term) => {
    leading = true;
    resolve(self);
    await new Promise((end) => term.addEventListener('abort', end, { once: true }));
    leading = false;
  });
  const self: Standing = {
    identity,
    leading: () => leading,
    elected: promise,
    stop: () => {
      stop.abort();
      return ended;
    },
  };
  return self;
}

import { describe, expect, test } from 'vitest';
import { createEventRecorder, type EventRecorderOptions, eventType, type Happening } from '../../src/k8s/events.ts';
import { startFakeCluster } from '../support/fake-api-server/cluster.ts';
import { ManualClock } from '../support/fake-clock.ts';

const PEER = {
  apiVersion: 'sallyport.dev/v1alpha1',
  kind: 'MeshPeer',
  metadata: { name: 'laptop', namespace: 'team-a', uid: 'u-1' },
};

function happening(note = 'the key is used twice', more: Partial<Happening> = {}): Happening {
  return { regarding: PEER, type: 'Warning', reason: 'DuplicateKey', action: 'Accept', note, ...more };
}

async function recording(options: Partial<EventRecorderOptions> = {}) {
  const cluster = await startFakeCluster();
  const clock = new ManualClock();
  const failures: unknown[] = [];
  const recorder = createEventRecorder(cluster.client, {
    controller: 'sallyport.dev/operator',
    instance: 'operator-0',
    clock,
    random: () => 0.5,
    onFailure: (error) => failures.push(error),
    ...options,
  });
  const events = () => cluster.server.collection(eventType).list();
  return { ...cluster, clock, recorder, failures, events };
}

describe('recording events', () => {
  test('the first is an Event as kubectl describe shows it', async () => {
    const { recorder, events } = await recording();
    recorder.record(happening());
    await recorder.flush();
    expect(events()).toMatchObject([
      {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { namespace: 'team-a', name: expect.stringMatching(/^laptop\.[0-9a-f]+$/) },
        eventTime: '2026-01-01T00:00:00.000000Z',
        reportingController: 'sallyport.dev/operator',
        reportingInstance: 'operator-0',
        type: 'Warning',
        reason: 'DuplicateKey',
        action: 'Accept',
        note: 'the key is used twice',
        regarding: { apiVersion: PEER.apiVersion, kind: 'MeshPeer', name: 'laptop', namespace: 'team-a', uid: 'u-1' },
      },
    ]);
    expect(events()[0]).not.toHaveProperty('series');
  });

  test('a thousand times the same is one Event and few requests', async () => {
    const { recorder, events, clock, server } = await recording();
    for (let i = 0; i < 1000; i++) {
      recorder.record(happening());
      await clock.advance(100);
    }
    await recorder.flush();
    expect(events()).toMatchObject([{ series: { count: 1000, lastObservedTime: expect.stringMatching(/0Z$/) } }]);
    expect(server.seen('events').length).toBeLessThanOrEqual(6);
  });

  test('another note, reason, type or object is another Event', async () => {
    const { recorder, events } = await recording();
    const other = { ...PEER, metadata: { ...PEER.metadata, uid: 'u-2' } };
    recorder.record(happening());
    recorder.record(happening('something else'));
    recorder.record(happening(undefined, { reason: 'Other' }));
    recorder.record(happening(undefined, { type: 'Normal' }));
    recorder.record(happening(undefined, { regarding: other }));
    await recorder.flush();
    expect(events()).toHaveLength(5);
  });

  test('after the window the same is a new Event', async () => {
    const { recorder, events, clock } = await recording({ windowMs: 60_000 });
    recorder.record(happening());
    await recorder.flush();
    await clock.advance(60_001);
    recorder.record(happening());
    await recorder.flush();
    expect(events()).toHaveLength(2);
  });

  test('an Event that the server has forgotten is made again, with its count', async () => {
    const { recorder, events, client, clock } = await recording();
    recorder.record(happening());
    await recorder.flush();
    const { items } = await client.list(eventType);
    for (const { metadata } of items) await client.delete(eventType, metadata);
    await clock.advance(1000);
    recorder.record(happening());
    await recorder.flush();
    expect(events()).toMatchObject([{ series: { count: 2 } }]);
  });

  test('what is about a cluster-scoped object lives in default; a long note is cut between characters', async () => {
    const { recorder, events } = await recording();
    const gateway = {
      apiVersion: 'sallyport.dev/v1alpha1',
      kind: 'MeshGateway',
      metadata: { name: 'default', uid: 'g' },
    };
    recorder.record(happening(`x${'é'.repeat(1000)}`, { regarding: gateway }));
    await recorder.flush();
    const [event] = events();
    expect(event).toMatchObject({ metadata: { namespace: 'default' }, regarding: { name: 'default' } });
    expect(event?.note).toMatch(/^xé+…$/);
    expect(Buffer.byteLength(String(event?.note))).toBeLessThanOrEqual(1024);
  });

  test('failing is reported and never thrown, not even when the report throws', async () => {
    const { recorder, failures, server, events } = await recording();
    server.fault({ times: 1, action: { kind: 'refuse', code: 403 } });
    recorder.record(happening());
    await recorder.flush();
    expect(failures).toMatchObject([{ status: 403 }]);
    const deaf = await recording({
      onFailure: () => {
        throw new Error('the log is full');
      },
    });
    deaf.server.fault({ action: { kind: 'cut' } });
    deaf.recorder.record(happening());
    await deaf.recorder.flush();
    expect([events().length, deaf.events().length]).toEqual([0, 0]);
  });

  test('what is remembered and what waits is bounded', async () => {
    const { recorder, failures, server, events } = await recording({ capacity: 10 });
    server.fault({ times: 1, action: { kind: 'slow', ms: 50 } });
    for (let i = 0; i < 100; i++) recorder.record(happening(`note ${i}`));
    await recorder.flush();
    expect(events().length).toBeLessThanOrEqual(11);
    expect(failures.length + events().length).toBe(100);
  });

  test('of more happenings than it remembers the oldest is forgotten', async () => {
    const { recorder, events } = await recording({ capacity: 3 });
    for (const note of ['a', 'b', 'c', 'd', 'a', 'd']) {
      recorder.record(happening(note));
      await recorder.flush();
    }
    expect(
      events()
        .map(({ note }) => note)
        .sort(),
    ).toEqual(['a', 'a', 'b', 'c', 'd']);
  });

  test('an Event whose first write failed is made by the next record', async () => {
    const { recorder, server, events, clock } = await recording();
    server.fault({ times: 1, action: { kind: 'refuse', code: 500 } });
    recorder.record(happening());
    await recorder.flush();
    await clock.advance(1000);
    recorder.record(happening());
    await recorder.flush();
    expect(events()).toMatchObject([{ series: { count: 2 } }]);
  });
});

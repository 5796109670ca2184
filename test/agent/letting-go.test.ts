import { beforeEach, expect, test } from 'vitest';
import { waitUntilGone } from '../../src/agent/letting-go.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import type { Release } from '../../src/mesh/takeover/release.ts';
import { ManualClock } from '../support/fake-clock.ts';

const ADA = 'team-a/ada' as ObjectKey;
const BOB = 'team-a/bob' as ObjectKey;

let clock: ManualClock;
let release: Release;
/** Who has connections open. */
let busy: readonly ObjectKey[];
/** Whose only session is here. */
let own: readonly ObjectKey[];
let reports: number;
let goneAt: number | undefined;

beforeEach(() => {
  clock = new ManualClock();
  [release, busy, own, reports, goneAt] = ['idle', [], [ADA, BOB], 0, undefined];
});

function wait(): void {
  const releasing = {
    end: async () => undefined,
    get release() {
      return release;
    },
    isReleased: (peer: ObjectKey) => release === 'all' || (release === 'idle' && !busy.includes(peer)),
  };
  const onReport = () => {
    reports += 1;
  };
  void waitUntilGone({ releasing, ownSessions: () => own, onReport, clock }).then(() => {
    goneAt = clock.monotonic();
  });
}

test('where nobody has a session, nobody is waited for', async () => {
  own = [];
  wait();
  await clock.advance(0);
  expect(goneAt).toBe(0);
});

test('who has been called is waited for no longer', async () => {
  wait();
  await clock.advance(500);
  expect(goneAt).toBeUndefined();
  own = [];
  await clock.advance(100);
  expect(goneAt).toBeLessThanOrEqual(600);
});

test('who does not hear the call is waited for four seconds once nobody has a connection open', async () => {
  busy = [ADA];
  wait();
  await clock.advance(20_000);
  expect(goneAt).toBeUndefined();
  busy = [];
  await clock.advance(3_900);
  expect(goneAt).toBeUndefined();
  await clock.advance(200);
  expect(goneAt).toBeDefined();
});

test('each second it is looked anew, and told', async () => {
  busy = [ADA];
  wait();
  await clock.advance(10_000);
  expect(reports).toBeGreaterThanOrEqual(9);
  expect(reports).toBeLessThanOrEqual(11);
});

test('a node that may take devices over a moment later is waited for, as while the DaemonSet is rolled, but not for long', async () => {
  release = 'none';
  wait();
  await clock.advance(3_000);
  expect(goneAt).toBeUndefined();
  [release, busy] = ['idle', [ADA]];
  await clock.advance(20_000);
  expect(goneAt).toBeUndefined();
  release = 'none';
  await clock.advance(4_200);
  expect(goneAt).toBeDefined();
});

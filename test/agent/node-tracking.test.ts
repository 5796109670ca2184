import { beforeEach, describe, expect, test } from 'vitest';
import { NodeTracking } from '../../src/agent/node-tracking.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { createLog } from '../../src/runtime/log.ts';
import { aMember, NOW } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';
import { FakeHost } from '../support/fake-host.ts';

const ADA = '10.213.0.16' as IpAddress;
const most = 100_000;

let host: FakeHost;
let clock: ManualClock;
let tracking: NodeTracking;
let limit: number | undefined;
let looks: number;
/** Who was told to be full, each time. */
let told: (readonly ObjectKey[])[];

beforeEach(() => {
  host = new FakeHost();
  clock = new ManualClock();
  [limit, looks, told] = [0, 0, []];
  const table = peerTable('default', [aMember({ name: 'ada', status: { addresses: [ADA] } })], NOW);
  const log = createLog({ level: 'silent' });
  tracking = new NodeTracking({
    host,
    table,
    bounds: () => (limit === undefined ? undefined : { pool: [], limit }),
    clock,
    log,
    onLook: () => (looks += 1),
    onFull: (added) => told.push(added.map(({ peer }) => peer)),
  });
});

/** Of so many entries of the node, ada has so many, half of them open. */
async function look(entries: number, ofAda = 60_000) {
  host.tracking = { entries, most };
  host.tracked = new Map([[ADA, { entries: ofAda, open: ofAda / 2, established: 0 }]]);
  await tracking.look();
  return tracking.standing;
}

describe('a node whose connection tracking fills', () => {
  test('is not walked through while there is room', async () => {
    expect(await look(40_000)).toEqual({ reading: { entries: 40_000, most }, isNearlyFull: false, holders: undefined });
    expect([host.trackingWalks, looks]).toEqual([0, 1]);
  });

  test('is walked through once when it is nearly full, and again minutes later', async () => {
    await look(90_000);
    expect((await look(95_000))?.holders).toEqual([{ peer: 'team-a/ada', percent: 60 }]);
    expect(host.trackingWalks).toBe(1);
    await clock.advance(300_000);
    await look(95_000);
    expect(host.trackingWalks).toBe(2);
    expect((await look(10_000))?.holders).toBeUndefined();
  });

  test('is told though nobody knows yet whose entries to look for, and those are found then', async () => {
    limit = undefined;
    expect(await look(90_000)).toMatchObject({ isNearlyFull: true, holders: undefined });
    limit = 0;
    expect((await look(90_000))?.holders).toHaveLength(1);
  });

  test('is told though nobody can say who holds most', async () => {
    host.trackedBySource = () => Promise.reject(new Error('no conntrack'));
    expect(await look(90_000)).toMatchObject({ isNearlyFull: true, holders: undefined });
  });

  test('keeps what was known when it cannot be looked at', async () => {
    await look(90_000);
    host.observeTracking = () => Promise.reject(new Error('no such file'));
    await tracking.look();
    expect(tracking.standing?.isNearlyFull).toBe(true);
  });
});

describe('devices that have as many connections open as they may', () => {
  beforeEach(() => {
    limit = 100;
  });

  test('are found, told once, and found again to have fewer', async () => {
    await look(1_000, 200);
    expect(tracking.full).toEqual([{ peer: 'team-a/ada', addresses: [ADA] }]);
    await look(1_000, 220);
    expect(told).toEqual([['team-a/ada']]);
    await look(1_000, 182);
    expect([tracking.full.length, told.length]).toEqual([1, 1]);
    await look(95, 182);
    expect([tracking.full.length, told.length]).toEqual([1, 1]);
    await look(1_000, 180);
    expect([tracking.full, told]).toEqual([[], [['team-a/ada'], []]]);
  });

  test('are not looked for while all together have fewer', async () => {
    await look(1_000, 200);
    await look(90, 200);
    expect([host.trackingWalks, tracking.full]).toEqual([1, []]);
  });

  test('are not looked for where there is no limit', async () => {
    limit = 0;
    await look(70_000);
    expect([host.trackingWalks, tracking.full]).toEqual([0, []]);
  });

  test('are looked for in a tenth of the time, however long a walk takes', async () => {
    const walk = host.trackedBySource.bind(host);
    host.trackedBySource = async (sources) => {
      await clock.advance(1_000);
      return walk(sources);
    };
    await look(1_000, 200);
    await clock.advance(9_000);
    await look(1_000, 200);
    expect(host.trackingWalks).toBe(1);
    await clock.advance(1_000);
    await look(1_000, 200);
    expect(host.trackingWalks).toBe(2);
  });

  test('stay known when nobody can look', async () => {
    await look(1_000, 200);
    host.trackedBySource = () => Promise.reject(new Error('no conntrack'));
    await look(1_000, 2);
    expect(tracking.full).toHaveLength(1);
  });
});

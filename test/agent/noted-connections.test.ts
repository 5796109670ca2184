import { beforeEach, describe, expect, test } from 'vitest';
import { NotedConnections } from '../../src/agent/noted-connections.ts';
import type { CountedElement } from '../../src/dataplane/nftables/counted.ts';
import { CARRIED, NO_ROOM } from '../../src/mesh/audit/carried.ts';
import type { AuditNames } from '../../src/mesh/audit/connections.ts';
import type { AuditLine } from '../../src/mesh/audit/line.ts';
import type { Verdict } from '../../src/mesh/audit/sets.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import { aMember, NOW } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';
import { FakeHost } from '../support/fake-host.ts';
import { aNodePlan } from '../support/node-plans.ts';

/** As often as the agent looks at its interface's peers. */
const EVERY_MS = 3_000;
const BOTH: readonly Verdict[] = ['denied', 'accepted'];
const DIALLED = '10.213.0.20 . tcp . 10.96.0.20 . 80';
const [HALF = ''] = CARRIED.halves[0];

const names = (): AuditNames => ({
  table: peerTable('default', [aMember({ name: 'ada', address: '10.213.0.20' })], NOW),
  departed: new Map(),
  services: new Map(),
  probes: [],
});

let host: FakeHost;
let clock: ManualClock;
let connections: NotedConnections;
let written: AuditLine[];

beforeEach(async () => {
  host = new FakeHost();
  await host.apply({ kind: 'replace-table', ruleset: aNodePlan({ audited: 'All' }).ruleset, turnedOn: [] });
  clock = new ManualClock();
  written = [];
  connections = new NotedConnections({
    host,
    clock,
    table: () => 'sallyport_default',
    write: (lines) => written.push(...lines),
  });
  await connections.follow(BOTH, true, names);
});

/** What is told after the next look at the interface. */
async function told(moved = true): Promise<readonly AuditLine[]> {
  written = [];
  await clock.advance(EVERY_MS);
  await connections.follow(BOTH, moved, names);
  return written;
}

function noted(set: string, element: string, bytes: number): CountedElement {
  return { set, element, packets: 1, bytes };
}

/** After how many looks at the interface this is told. */
async function looksUntil(verdict: Verdict): Promise<number> {
  for (let looks = 1; looks < 20; looks += 1)
    if ((await told()).some((line) => 'verdict' in line && line.verdict === verdict)) return looks;
  throw new Error(`nothing is told of what is ${verdict}`);
}

describe('what rules have noted', () => {
  test('is told in seconds of what is refused, and every quarter of a minute of what goes on', async () => {
    host.counters.set('deny', { packets: 1, bytes: 60 });
    host.counted = [noted('seen_denied4', DIALLED, 60)];
    expect(await looksUntil('denied')).toBe(1);
    host.counted = [noted(HALF, `${DIALLED} . reply`, 5_000)];
    expect(await looksUntil('accepted')).toBe(4);
  });

  test('goes on being told in one line for each look, whoever dialled it when', async () => {
    host.counted = [noted(HALF, `${DIALLED} . reply`, 5_000), noted(HALF, `${DIALLED} . original`, 100)];
    await looksUntil('accepted');
    expect(written).toMatchObject([
      { event: 'connection', peer: { name: 'ada' }, count: 0, bytes: 5_100, bytesToDevice: 5_000 },
    ]);
  });

  test('is told in seconds of what goes on as well while there is much of it', async () => {
    const scan = (index: number) =>
      noted(HALF, `10.213.0.20 . tcp . 10.96.${index >> 8}.${index & 255} . 80 . reply`, 60);
    host.counted = Array.from({ length: 3_000 }, (_, index) => scan(index));
    expect(await looksUntil('accepted')).toBe(5);
    host.counted = [noted(HALF, `${DIALLED} . reply`, 5_000)];
    expect(await looksUntil('accepted')).toBe(1);
    host.counted = [noted(HALF, `${DIALLED} . reply`, 5_000)];
    expect(await looksUntil('accepted')).toBe(5);
  });

  test('is told at once when somebody has been put out', async () => {
    host.counted = [noted(HALF, `${DIALLED} . reply`, 5_000)];
    connections.hurry();
    expect(await told(false)).toMatchObject([{ bytes: 5_000 }]);
  });

  test('is not looked at while no device sends or is sent anything', async () => {
    const looks = host.counterLooks;
    for (let look = 0; look < 10; look += 1) await told(false);
    expect(host.counterLooks).toBe(looks);
  });

  test('is looked at again after a look that failed, though nothing is sent any more', async () => {
    const { takeHalf } = host;
    host.takeHalf = () => Promise.reject(new Error('nft is missing'));
    await expect(looksUntil('accepted')).rejects.toThrow('nft is missing');
    host.takeHalf = takeHalf;
    host.counted = [noted(HALF, `${DIALLED} . reply`, 5_000)];
    const all: AuditLine[] = [];
    for (let look = 0; look < 10; look += 1) all.push(...(await told(false)));
    expect(all).toMatchObject([{ bytes: 5_000 }]);
  });

  test('is counted without a device where no set had room, and not what was so before', async () => {
    host.counters.set(NO_ROOM, { packets: 3, bytes: 4_000 });
    await looksUntil('accepted');
    expect(written).toEqual([{ event: 'left-out', verdict: 'accepted', count: 0, bytes: 4_000 }]);
    for (let look = 0; look < 10; look += 1) expect(await told()).toEqual([]);
  });
});

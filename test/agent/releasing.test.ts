import { beforeEach, expect, test } from 'vitest';
import { Releasing } from '../../src/agent/releasing.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import type { TrackedSource } from '../../src/dataplane/connection-tracking.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import { ENDING_MOST_MS } from '../../src/mesh/takeover/release.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { createLog } from '../../src/runtime/log.ts';
import { aGateway, aMember, NOW } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';

const ADA = { key: 'team-a/ada' as ObjectKey, address: '10.213.0.16' as IpAddress };
const BOB = { key: 'team-a/bob' as ObjectKey, address: '10.213.0.17' as IpAddress };
const OPEN: TrackedSource = { entries: 1, open: 1, established: 1 };

let clock: ManualClock;
let gateway: MeshGateway;
let tracked: () => Promise<ReadonlyMap<IpAddress, TrackedSource>>;
let releasing: Releasing;

beforeEach(() => {
  clock = new ManualClock();
  gateway = aGateway();
  tracked = async () => new Map([[ADA.address, OPEN]]);
  const members = [ADA, BOB].map(({ key, address }) =>
    aMember({ name: key.split('/')[1] ?? '', status: { addresses: [address] } }),
  );
  const table = peerTable('default', members, NOW);
  releasing = new Releasing({
    node: 'node-a',
    host: { trackedBySource: () => tracked() },
    sync: {
      get gateway() {
        return gateway;
      },
      table,
      topology: () => undefined,
    },
    taker: () => 'steady',
    reachesServices: () => true,
    clock,
    log: createLog({ level: 'silent' }),
  });
});

const released = () => [ADA, BOB].filter(({ key }) => releasing.isReleased(key));

test('an agent that ends lets those go at once who have no connection open, and the others when theirs have ended', async () => {
  await releasing.end();
  expect(released()).toEqual([BOB]);
  tracked = async () => new Map();
  await releasing.end();
  expect(released()).toEqual([ADA, BOB]);
});

test('nobody is let go before it is known who has connections open', async () => {
  const { promise, resolve } = Promise.withResolvers<ReadonlyMap<IpAddress, TrackedSource>>();
  tracked = () => promise;
  const ended = releasing.end();
  expect(released()).toEqual([]);
  resolve(new Map([[ADA.address, OPEN]]));
  await ended;
  expect(released()).toEqual([BOB]);
});

test('an agent that ends and cannot look who has connections open lets all go', async () => {
  tracked = () => Promise.reject(new Error('no conntrack'));
  await releasing.end();
  expect(released()).toEqual([ADA, BOB]);
});

test('how long connections may go on is what the gateway says now', async () => {
  await releasing.end();
  gateway = aGateway({ spec: { takeover: { enabled: true, drain: '1h' } } });
  await clock.advance(ENDING_MOST_MS - 1);
  await releasing.end();
  expect(released()).toEqual([BOB]);
  gateway = aGateway({ spec: { takeover: { enabled: true, drain: '5s' } } });
  await releasing.end();
  expect(released()).toEqual([ADA, BOB]);
});

test('who is let go stays where the gateway asks for no takeover any more', async () => {
  await releasing.end();
  gateway = aGateway({ spec: { takeover: { enabled: false, drain: '60s' } } });
  await releasing.end();
  expect(released()).toEqual([]);
  expect(releasing.release).toBe('none');
});

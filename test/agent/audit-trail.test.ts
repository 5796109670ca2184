import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AuditTrail } from '../../src/agent/audit-trail.ts';
import { isTrue } from '../../src/api/conditions.ts';
import { serviceType } from '../../src/api/core.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { CARRIED } from '../../src/mesh/audit/carried.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import { topology } from '../../src/mesh/topology.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { createLog } from '../../src/runtime/log.ts';
import { aKey, aMember, aServedGateway, NOW } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';
import { FakeHost } from '../support/fake-host.ts';
import { aNodePlan, PLAN_NAMES } from '../support/node-plans.ts';
import { SmallMesh, type SmallNode } from '../support/small-mesh.ts';

/** Peers are looked at every three seconds. */
const LONG_MS = 20_000;
const ADA = { name: 'ada', namespace: 'team-a' };

let mesh: SmallMesh;
let node: SmallNode;
let address = '';

const lines = (event: string) => node.audited.filter((line) => line.event === event);
const untilTold = (event: string, ...wanted: readonly object[]) =>
  expect.poll(() => lines(event), { interval: 20, timeout: LONG_MS }).toMatchObject(wanted);

beforeEach(async () => {
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.client.create(serviceType, {
    metadata: { name: 'web', namespace: 'team-a' },
    spec: { clusterIPs: ['10.96.0.20'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  });
  await mesh.addGateway({ access: { default: 'Deny' } });
  node = await mesh.startNode('node-a');
  await mesh.addPeer('ada', { owner: 'ada@example.com' });
  const { status } = await mesh.untilPeer('ada', (peer) => isTrue(peer.status?.conditions ?? [], 'Programmed'));
  address = status?.addresses?.[0] ?? '';
});

afterEach(() => mesh.stop());

describe('the audit log of a node', () => {
  test('tells who is let in and put out, and why', { timeout: 2 * LONG_MS }, async () => {
    const peer = { ...ADA, owner: 'ada@example.com' };
    await untilTold('let-in', { peer, addresses: [address] });
    await mesh.client.patch(meshPeerType, ADA, { spec: { suspended: true } });
    await untilTold('put-out', { peer, reason: 'Suspended', by: expect.any(String) });
    const decisions = () => mesh.audited.map(({ event, peer, reason, by }) => ({ event, peer, reason, by }));
    await expect.poll(decisions, { interval: 20, timeout: LONG_MS }).toEqual([
      { event: 'admitted', peer, reason: 'Accepted', by: expect.any(String) },
      { event: 'rejected', peer, reason: 'Suspended', by: expect.any(String) },
    ]);
  });

  test('tells what was refused, of which Service, and asks nothing while no device sends', {
    timeout: LONG_MS,
  }, async () => {
    const { host } = node;
    const endpoint = '198.51.100.7:40000' as Endpoint;
    const latestHandshake = Math.floor(Date.now() / 1000);
    host.handshake(aKey('ada'), { latestHandshake, endpoint });
    await untilTold('connected', { peer: { name: 'ada' }, endpoint });
    const looks = host.counterLooks;
    host.counters.set('deny', { packets: 3, bytes: 180 });
    host.counted = [{ set: 'seen_denied4', element: `${address} . tcp . 10.96.0.20 . 80`, packets: 3, bytes: 180 }];
    host.handshake(aKey('ada'), { latestHandshake, endpoint, receivedBytes: 1_000 });
    await untilTold('connection', {
      verdict: 'denied',
      count: 3,
      peer: { name: 'ada' },
      to: { service: { name: 'web' } },
    });
    expect(lines('left-out')).toEqual([]);
    expect(host.counterLooks - looks).toBe(1);
  });
});

describe('what a device carried before it was put out', () => {
  const ada = aMember({ name: 'ada', address: '10.213.0.20', spec: { owner: 'ada@example.com' } });
  const [half = ''] = CARRIED.halves[0];
  let written: Record<string, unknown>[];
  let clock: ManualClock;
  let host: FakeHost;
  let trail: AuditTrail;

  beforeEach(async () => {
    written = [];
    clock = new ManualClock();
    host = new FakeHost();
    await host.apply({ kind: 'replace-table', ruleset: aNodePlan({ audited: 'All' }).ruleset, turnedOn: [] });
    const current = topology(aServedGateway({ spec: { audit: { connections: 'All' } } }));
    trail = new AuditTrail({
      gateway: 'default',
      peers: { get: () => undefined },
      sync: {
        names: PLAN_NAMES,
        table: peerTable('default', [], NOW),
        topology: () => current,
        observedPeers: new Map(),
      },
      access: { services: () => [] },
      host,
      clock,
      audit: createLog({ level: 'info', destination: { write: (line) => written.push(JSON.parse(line)) } }),
    });
    trail.takePeer({ key: 'team-a/ada' as ObjectKey, after: ada }, 'found');
    await trail.follow(true);
    trail.takePeer({ key: 'team-a/ada' as ObjectKey, after: undefined }, 'news');
    host.counted = [{ set: half, element: '10.213.0.20 . tcp . 10.96.0.20 . 80 . reply', packets: 9, bytes: 9_000 }];
  });

  test('is told right after it, with its name', async () => {
    await clock.advance(3_000);
    await trail.follow(true);
    expect(written).toMatchObject([
      { event: 'put-out', reason: 'Deleted' },
      { event: 'connection', peer: { ...ADA, owner: 'ada@example.com' }, count: 0, bytes: 9_000 },
    ]);
  });

  test("has no name once it is long past, when the address may be anybody's", async () => {
    await clock.advance(3_600_000);
    await trail.follow(true);
    expect(written.find(({ event }) => event === 'connection')).not.toHaveProperty('peer');
  });
});

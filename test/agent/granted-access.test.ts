import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import { namespaceType, serviceType } from '../../src/api/core.ts';
import { type MeshAccess, meshAccessType } from '../../src/api/meshaccess.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { timestamp } from '../../src/api/timestamp.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { aKey } from '../support/builders.ts';
import { SmallMesh, type SmallNode } from '../support/small-mesh.ts';

/** Of all timers of an agent that has much to do. */
const LATE_MS = 2_000;

let mesh: SmallMesh;
let node: SmallNode;
let endOperator: () => Promise<void>;

const ADA = { name: 'ada', namespace: 'team-a' };
const WEB = { name: 'web', namespace: 'team-a' };
const GRANT = { name: 'grant', namespace: 'team-a' };

/** Who may reach what, as `10.96.0.20 80`, whoever it is. */
const open = () =>
  [...(node.host.state.ruleset?.elements.get('by_peer_tcp4') ?? [])]
    .map((element) => element.split(' . ').slice(1).join(' '))
    .sort();
const changes = () => node.host.applied.filter(({ kind }) => kind === 'change-elements');
const ended = () => node.host.ended.map(({ destination, open: port }) => `${destination} ${port?.port}`);

async function untilOpen(...wanted: readonly string[]): Promise<void> {
  await expect.poll(open, { interval: 5, timeout: 8_000 }).toEqual(wanted);
}

beforeEach(async () => {
  mesh = await SmallMesh.start();
  endOperator = mesh.startOperator();
  await mesh.client.create(namespaceType, { metadata: { name: 'team-a', labels: { team: 'a' } } });
  await mesh.client.create(serviceType, {
    metadata: { ...WEB, labels: { tier: 'front' } },
    spec: { clusterIPs: ['10.96.0.20'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  });
  await mesh.addGateway({ access: { default: 'Deny' } });
  node = await mesh.startNode('node-a');
  await mesh.addPeer('ada');
  await mesh.untilPeer('ada', ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'));
});

afterEach(() => mesh.stop());

describe('a grant', () => {
  const accessKey = 'team-a/grant' as ObjectKey;

  test('is on the node as one change of elements, and its owner is told', async () => {
    const before = changes().length;
    await mesh.addAccess('grant', { from: [{ selector: {} }], to: [{ names: ['web'] }] });
    await untilOpen('10.96.0.20 80');
    expect(changes().length - before).toBe(1);
    const access = await mesh.until(meshAccessType, accessKey, ({ status }) => status?.services?.matched === 1);
    expect(access.status).toMatchObject({
      peers: { matched: 1, names: ['team-a/ada'] },
      services: { matched: 1, names: ['web'] },
      gateways: ['default'],
    });
    for (const type of ['Accepted', 'Resolved', 'Enforced'])
      expect(isTrue(access.status?.conditions ?? [], type)).toBe(true);
  });

  test('follows the Service, its ports and its cluster IP, and labels of devices and namespaces', async () => {
    const from = [
      { namespaces: { selector: { matchLabels: { team: 'a' } } }, selector: { matchLabels: { role: 'dev' } } },
    ];
    await mesh.addAccess('grant', {
      from,
      to: [{ selector: { matchLabels: { tier: 'front' } }, ports: [{ name: 'http' }] }],
    });
    await mesh.client.patch(meshPeerType, ADA, { metadata: { labels: { role: 'dev' } } });
    await untilOpen('10.96.0.20 80');
    await mesh.client.patch(serviceType, WEB, { spec: { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] } });
    await untilOpen('10.96.0.20 8080');
    await mesh.client.patch(serviceType, WEB, { spec: { clusterIPs: ['10.96.0.21'] } });
    await untilOpen('10.96.0.21 8080');
    await mesh.client.patch(namespaceType, { name: 'team-a' }, { metadata: { labels: { team: 'b' } } });
    await untilOpen();
    await mesh.client.patch(namespaceType, { name: 'team-a' }, { metadata: { labels: { team: 'a' } } });
    await untilOpen('10.96.0.21 8080');
    await mesh.client.patch(serviceType, WEB, { metadata: { labels: { tier: 'back' } } });
    await untilOpen();
  });

  test('follows the owner and the groups of devices', async () => {
    await mesh.addAccess('grant', { from: [{ owners: ['ada'], groups: ['oncall'] }], to: [{ names: ['web'] }] });
    await mesh.client.patch(meshPeerType, ADA, { spec: { owner: 'ada', groups: ['oncall', 'dba'] } });
    await untilOpen('10.96.0.20 80');
    await mesh.client.patch(meshPeerType, ADA, { spec: { groups: ['dba'] } });
    await untilOpen();
    await mesh.client.patch(meshPeerType, ADA, { spec: { groups: ['oncall'] } });
    await untilOpen('10.96.0.20 80');
    await mesh.client.patch(meshPeerType, ADA, { spec: { owner: 'bob' } });
    await untilOpen();
  });

  test('ends with its device, and comes back with it', async () => {
    await mesh.addAccess('grant', { from: [{ selector: {} }], to: [{}] });
    await untilOpen('10.96.0.20 80');
    await mesh.client.patch(meshPeerType, ADA, { spec: { suspended: true } });
    await untilOpen();
    await mesh.client.patch(meshPeerType, ADA, { spec: { suspended: false } });
    await untilOpen('10.96.0.20 80');
  });

  test('changes nothing where the gateway allows, and decides once it denies', async () => {
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { access: { default: 'Allow' } } });
    await mesh.addAccess('grant', { from: [{ selector: {} }], to: [{}] });
    const enforced = ({ status }: MeshAccess) => findCondition(status?.conditions ?? [], 'Enforced');
    await mesh.until(meshAccessType, accessKey, (access) => enforced(access)?.reason === 'AllowedAnyway');
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { access: { default: 'Deny' } } });
    await mesh.until(meshAccessType, accessKey, (access) => enforced(access)?.reason === 'Enforced');
    await untilOpen('10.96.0.20 80');
  });

  test('that nobody can read grants nothing, is told so, and takes nothing from others', async () => {
    await mesh.addAccess('other', { from: [{ selector: {} }], to: [{ names: ['web'] }] });
    await mesh.client.create(
      { ...meshAccessType, parse: (raw) => raw as never },
      { metadata: GRANT, spec: { from: [{ selector: {} }], to: 'everything' } },
    );
    const stored = { ...meshAccessType, parse: (raw: unknown) => raw as MeshAccess };
    await mesh.until(
      stored,
      accessKey,
      ({ status }) => status?.conditions?.some(({ reason }) => reason === 'InvalidSpec') === true,
    );
    await untilOpen('10.96.0.20 80');
  });
});

describe('where the kernel does not take a change of grants', () => {
  test('a device that is revoked is out all the same', async () => {
    await mesh.addAccess('grant', { from: [{ selector: {} }], to: [{}] });
    await untilOpen('10.96.0.20 80');
    node.host.failures.set('change-elements', new Error('no'));
    await mesh.client.patch(meshPeerType, ADA, { spec: { suspended: true } });
    await expect.poll(() => node.host.state.device?.peers.has(aKey('ada')), { timeout: 800 }).toBe(false);
    expect(open()).toEqual(['10.96.0.20 80']);
    node.host.failures.delete('change-elements');
    await untilOpen();
  });
});

describe('with the operator down', () => {
  beforeEach(async () => {
    await mesh.addAccess('grant', { from: [{ selector: {} }], to: [{ names: ['web'] }] });
    await untilOpen('10.96.0.20 80');
    await endOperator();
  });

  test('a deleted grant ends, with the connections that it let in', async () => {
    await mesh.client.delete(meshAccessType, GRANT);
    await untilOpen();
    await expect.poll(ended).toEqual(['10.96.0.20/32 80']);
  });

  test('a grant ends at its time although nobody writes anything then', async () => {
    const expiresAt = timestamp(Date.now() + 1_500);
    await mesh.client.patch(meshAccessType, GRANT, { spec: { expiresAt } });
    await untilOpen();
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
    await expect.poll(ended).toEqual(['10.96.0.20/32 80']);
  });

  test('a grant that is over ends with the next news of whatever, where its timer is late', async () => {
    await node.stop();
    const timer: Clock['timer'] = (ms, callback) => systemClock.timer(ms + LATE_MS, callback);
    node = await mesh.startNode('node-a', node.host, { ...systemClock, timer });
    const expiresAt = timestamp(Date.now() + 1_500);
    await mesh.client.patch(meshAccessType, GRANT, { spec: { expiresAt } });
    const over = Date.parse(expiresAt) + 50;
    await delay(over - Date.now());
    expect(open()).toEqual(['10.96.0.20 80']);
    await mesh.client.patch(meshPeerType, ADA, { spec: { persistentKeepalive: 20 } });
    await untilOpen();
    expect(Date.now() - over).toBeLessThan(LATE_MS);
  });

  test('a new grant holds too, because it asks nobody', async () => {
    await mesh.client.create(serviceType, {
      metadata: { name: 'api', namespace: 'team-a' },
      spec: { clusterIPs: ['10.96.0.30'], ports: [{ port: 443, protocol: 'TCP' }] },
    });
    await mesh.addAccess('api', { from: [{ selector: {} }], to: [{ names: ['api'] }] });
    await untilOpen('10.96.0.20 80', '10.96.0.30 443');
  });
});

describe('an agent that begins', () => {
  test('leaves what is granted as it finds it until it has seen everything that grants', async () => {
    await mesh.addAccess('grant', { from: [{ selector: {} }], to: [{}] });
    await untilOpen('10.96.0.20 80');
    await node.stop();
    mesh.server.fault({ path: '/meshaccesses', times: 2, action: { kind: 'refuse', code: 500 } });
    node.host.applied.splice(0);
    node = await mesh.startNode('node-a', node.host);
    await mesh.client.patch(serviceType, WEB, { spec: { clusterIPs: ['10.96.0.22'] } });
    await untilOpen('10.96.0.22 80');
    expect(changes()).toHaveLength(1);
    expect(ended()).toEqual(['10.96.0.20/32 80']);
  });
});

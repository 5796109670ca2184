import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { meshGatewayType } from '../../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../../src/api/meshgatewaynode.ts';
import { meshPeerType } from '../../../src/api/meshpeer.ts';
import { lookAtClock } from '../../../src/cli/doctor/clock.ts';
import { lookAtCluster } from '../../../src/cli/doctor/cluster.ts';
import { createClient } from '../../../src/k8s/client.ts';
import { eventType } from '../../../src/k8s/events.ts';
import { createTransport } from '../../../src/k8s/transport.ts';
import type { Profile } from '../../../src/laptop/profile.ts';
import { aKey } from '../../support/builders.ts';
import { aClientConfiguration } from '../../support/client-configurations.ts';
import { FakeApiServer } from '../../support/fake-api-server/server.ts';

const KINDS = [meshPeerType, meshGatewayType, meshGatewayNodeType, eventType];

let folder: string;
let kubeconfig: string;
let server: FakeApiServer;
let profile: Profile;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-doctor-'));
  kubeconfig = join(folder, 'kubeconfig');
  server = await FakeApiServer.start({ plain: true, resources: KINDS.map(({ parse: _, ...kind }) => kind) });
  writeFileSync(kubeconfig, server.kubeconfig());
  profile = {
    ...{ version: 1, name: 'lab', device: 'sp-lab', namespace: 'team-a', peer: 'ada', joinedAt: '' },
    server: server.connection().server.href,
  } as Profile;
});

afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const client = () => createClient(createTransport(server.connection(), { userAgent: 'test' }));
const at = (path: string | undefined) => lookAtCluster({ kubeconfig: path }, profile, aClientConfiguration());

test('the MeshPeer, the gateways, the reports and the latest warning are seen', async () => {
  const metadata = { name: 'ada', namespace: 'team-a' };
  await client().create(meshPeerType, { metadata, spec: { publicKey: aKey('ada') } });
  await client().create(meshGatewayType, { metadata: { name: 'default' }, spec: {} });
  for (const [name, eventTime] of [
    ['late', '2026-01-02T00:00:00Z'],
    ['early', '2026-01-01T00:00:00Z'],
  ] as const)
    await client().create(eventType, {
      metadata: { name, namespace: 'team-a' },
      ...{ type: 'Warning', note: `${name} warning`, eventTime, regarding: { kind: 'MeshPeer', name: 'ada' } },
    });
  expect(await at(kubeconfig)).toMatchObject({
    kind: 'seen',
    value: {
      peer: { value: { spec: { publicKey: aKey('ada') } } },
      gateways: { value: [{ metadata: { name: 'default' } }] },
      nodes: { kind: 'seen', value: [] },
      warning: { value: 'late warning' },
    },
  });
});

test('a MeshPeer that is gone is seen to be gone', async () => {
  expect(await at(kubeconfig)).toMatchObject({
    value: { peer: { kind: 'seen', value: undefined }, gateways: { value: [] } },
  });
});

test('a kubeconfig of another cluster is left alone', async () => {
  profile = { ...profile, server: 'https://192.0.2.1:6443' };
  expect(await at(kubeconfig)).toMatchObject({ kind: 'unseen', why: expect.stringContaining('192.0.2.1') });
  expect(server.seen('/apis')).toEqual([]);
});

test('a kubeconfig that was named and is not there is told', async () => {
  expect(await at(join(folder, 'nowhere'))).toMatchObject({ kind: 'unseen' });
});

test('the clock is held beside that of the server, and one that is put back is seen to be', async () => {
  const { href } = server.connection().server;
  expect(await lookAtClock(href, Date.now)).toMatchObject({ kind: 'seen' });
  const found = await lookAtClock(href, () => Date.now() - 3_600_000);
  expect(found.kind === 'seen' ? Math.round(found.value.aheadMs / 60_000) : found).toBe(-60);
  expect(await lookAtClock('https://127.0.0.1:1', Date.now)).toMatchObject({ kind: 'unseen' });
});

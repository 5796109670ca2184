import { describe, expect, test } from 'vitest';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { apiVersionOf, keyOf, splitKey } from '../../src/api/resource.ts';

const PEER = {
  apiVersion: 'sallyport.dev/v1alpha1',
  kind: 'MeshPeer',
  metadata: { name: 'laptop', namespace: 'team-a' },
  spec: { publicKey: 'HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=' },
};

test('keys are made and taken apart', () => {
  expect(keyOf({ name: 'laptop', namespace: 'team-a' })).toBe('team-a/laptop');
  expect(splitKey(keyOf({ name: 'laptop', namespace: 'team-a' }))).toEqual({ namespace: 'team-a', name: 'laptop' });
  expect(splitKey(keyOf({ name: 'default' }))).toEqual({ name: 'default' });
});

test('apiVersionOf leaves the slash out for the core group', () => {
  expect(apiVersionOf(meshPeerType)).toBe('sallyport.dev/v1alpha1');
  expect(apiVersionOf({ group: '', version: 'v1' })).toBe('v1');
});

describe('parsing', () => {
  test('fills in defaults', () => {
    expect(meshPeerType.parse(PEER).spec).toEqual({ ...PEER.spec, suspended: false, persistentKeepalive: 25 });
    const gateway = { apiVersion: PEER.apiVersion, kind: 'MeshGateway', metadata: { name: 'default' } };
    expect(meshGatewayType.parse(gateway).spec).toEqual({
      nodeSelector: {},
      tolerations: [],
      listenPort: 51_840,
      endpoint: { hosts: [] },
      advertise: {
        services: { enabled: true, cidrs: [] },
        cidrs: [],
        internet: { enabled: false, access: 'AsDefault', except: [] },
      },
      allowedPeers: { namespaces: { from: 'All' } },
      access: { default: 'Allow', peerToPeer: 'Deny', newConnectionsPerSecond: 500, maxConnections: 20_000 },
      audit: { connections: 'Denied', endpoints: true },
      dns: { enabled: true, servers: [], domain: 'cluster.local' },
      keyRotation: { overlap: '7d', hosts: [] },
      takeover: { enabled: true, drain: '60s' },
      dataplane: 'Auto',
    });
  });

  test('a second time changes nothing', () => {
    const once = meshPeerType.parse(PEER);
    expect(meshPeerType.parse(once)).toEqual(once);
  });

  test.each([undefined, null, 1, 'x', {}, { ...PEER, spec: {} }, { ...PEER, metadata: {} }])('%j throws', (raw) => {
    expect(() => meshPeerType.parse(raw)).toThrow();
  });

  test('ten thousand peers take well under a second', () => {
    const status = {
      addresses: ['10.213.0.20'],
      gateways: ['default'],
      config: 'x'.repeat(400),
      conditions: ['Accepted', 'Programmed', 'Connected'].map((type) => ({
        type,
        status: 'True',
        reason: 'Accepted',
        message: 'yes',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      })),
    };
    // CPU time, not the clock's: other work on the machine must not fail a test.
    const started = process.cpuUsage();
    for (let count = 0; count < 10_000; count++) meshPeerType.parse({ ...PEER, status });
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(1_000);
  });
});

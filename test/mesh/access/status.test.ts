import { describe, expect, test } from 'vitest';
import { findCondition } from '../../../src/api/conditions.ts';
import { serviceType } from '../../../src/api/core.ts';
import { meshAccessType } from '../../../src/api/meshaccess.ts';
import { judgeAccess } from '../../../src/mesh/access/status.ts';
import { accessWorld } from '../../../src/mesh/access/world.ts';
import { aMember, aNamespace, aServedGateway, NOW } from '../../support/builders.ts';

const GATEWAY = aServedGateway({
  spec: { access: { default: 'Deny' } },
  status: { serviceCIDRs: ['10.96.0.0/12', 'fd5a:96::/64'].map((cidr) => ({ cidr, source: 'test' })) },
});
const ACCESS = meshAccessType.parse({
  apiVersion: 'sallyport.dev/v1alpha1',
  kind: 'MeshAccess',
  metadata: { name: 'grant', namespace: 'shop' },
  spec: { from: [{ namespaces: { names: ['team-a'] } }], to: [{}] },
});

/** What a grant of all Services of the namespace says, with one for each of these cluster IPs. */
function judged({ clusterIPs, ports = 1, peers = 1 }: { clusterIPs: string[]; ports?: number; peers?: number }) {
  const services = clusterIPs.map((address, index) =>
    serviceType.parse({
      metadata: { name: `web-${index}`, namespace: 'shop' },
      spec: {
        clusterIPs: [address],
        ports: Array.from({ length: ports }, (_, port) => ({ name: `p${port}`, port: port + 1, protocol: 'TCP' })),
      },
    }),
  );
  const members = Array.from({ length: peers }, (_, index) =>
    aMember({ name: `ada-${index}`, status: { addresses: [`10.213.${index >> 8}.${index & 255}`] } }),
  );
  const world = accessWorld({ namespaces: [aNamespace()], peers: members, services });
  const { status } = judgeAccess(ACCESS, { gateways: [GATEWAY], world, now: NOW });
  const { reason, message } = findCondition(status.conditions ?? [], 'Resolved') ?? {};
  return { reason, message, peers: status.peers?.matched, services: status.services?.matched };
}

describe('a grant says what it opens on the nodes', () => {
  test('which is nothing without a family in common', () => {
    expect(judged({ clusterIPs: ['fd5a:96::20'] })).toEqual({
      reason: 'NoCommonFamily',
      message: expect.stringContaining('team-a/ada-0 and web-0 have no IP family in common'),
      peers: 1,
      services: 0,
    });
  });

  test('and counts no Service that no device reaches', () => {
    expect(judged({ clusterIPs: ['fd5a:96::20', '10.96.0.20'] })).toMatchObject({ reason: 'Resolved', services: 1 });
  });

  test('and that it is cut where it is too much', () => {
    const { reason, message, peers } = judged({ clusterIPs: ['10.96.0.20'], ports: 100, peers: 201 });
    expect([reason, peers]).toEqual(['PartlyResolved', 201]);
    expect(message).toContain('200 devices may reach 1 Service');
    expect(message).toContain('more than the 20000 pairs');
  });
});

import { expect, test } from 'vitest';
import { clusterMeshAccessType } from '../../src/api/clustermeshaccess.ts';
import { namespaceType, serviceType } from '../../src/api/core.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import type { KubernetesObject } from '../../src/api/resource.ts';
import { explained } from '../../src/cli/cluster/explained.ts';
import type { Client } from '../../src/k8s/client.ts';
import { accessCrowd } from '../support/access-crowd.ts';
import { aCondition, aServedGateway, NOW } from '../support/builders.ts';

/** What a cluster answers whose grants mean more than its gateway opens, and which kinds were listed. */
function aCluster(conditions: readonly object[]) {
  const { peers, service, access, namespaces } = accessCrowd();
  const gateway = aServedGateway({ spec: { access: { default: 'Deny' } } });
  const objects = new Map<unknown, readonly KubernetesObject[]>([
    [meshPeerType, peers],
    [serviceType, [service]],
    [namespaceType, namespaces],
    [meshGatewayType, [gateway]],
    [meshAccessType, [{ ...access, status: { conditions } } as KubernetesObject]],
    [clusterMeshAccessType, []],
  ]);
  const listed: string[] = [];
  const client = {
    get: async (type: unknown, name: string) => objects.get(type)?.find(({ metadata }) => metadata.name === name),
    list: async (type: { readonly plural: string }) => {
      listed.push(type.plural);
      return { items: objects.get(type) ?? [] };
    },
  };
  return { client: client as unknown as Client, listed };
}

const asked = (name: string) => ({
  peer: { namespace: 'team-a', name },
  service: { namespace: 'shop', name: 'web' },
  port: 'p0',
});

test('where a grant opens less than it means, everything is read, and who is left out is told no', async () => {
  const { client, listed } = aCluster([aCondition('Resolved', 'True', { reason: 'PartlyResolved' })]);
  const [newest] = await explained(client, asked('peer-299'), NOW);
  const [oldest] = await explained(client, asked('peer-0'), NOW);
  expect(newest?.gateways).toMatchObject([{ isAllowed: false, because: expect.stringContaining('there is no room') }]);
  expect(oldest?.gateways).toMatchObject([{ isAllowed: true }]);
  expect(listed).toContain('meshpeers');
});

test('elsewhere no devices and no Services are listed', async () => {
  const { client, listed } = aCluster([aCondition('Resolved', 'True', { reason: 'Resolved' })]);
  expect((await explained(client, asked('peer-0'), NOW))[0]?.gateways).toMatchObject([{ isAllowed: true }]);
  expect(listed.sort()).toEqual(['clustermeshaccesses', 'meshaccesses', 'meshgateways']);
});

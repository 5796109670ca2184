import { vi } from 'vitest';
import type { Connection } from '../../src/k8s/connection.ts';
import { widgetDefinition, widgetType } from '../support/cluster-contract/widget.ts';
import { describeCluster } from '../support/cluster-contract.ts';
import { controlPlaneBinaries, type RealApiServer, startRealApiServer } from '../support/real-api-server.ts';

// Building the binaries for the first time takes minutes.
describeCluster('a real kube-apiserver', start, 1_800_000);

async function start() {
  const server = await startRealApiServer(await controlPlaneBinaries());
  await server.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', widgetDefinition);
  const widgets = `/apis/${widgetType.group}/${widgetType.version}/namespaces/default/${widgetType.plural}`;
  await vi.waitUntil(async () => (await server.ask('GET', widgets)).status === 200, { timeout: 20_000, interval: 100 });
  return { connection: connectionTo(server), stop: () => server.stop() };
}

function connectionTo({ url, token, ca }: RealApiServer): Connection {
  const credentials = async () => ({ headers: { authorization: `Bearer ${token}` }, tls: { ca } });
  return { server: new URL(url), namespace: 'default', credentials };
}

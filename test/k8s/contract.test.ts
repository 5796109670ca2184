import { widgetType } from '../support/cluster-contract/widget.ts';
import { describeCluster } from '../support/cluster-contract.ts';
import { FakeApiServer } from '../support/fake-api-server/server.ts';

describeCluster('the fake API server', async () => {
  const server = await FakeApiServer.start({ resources: [widgetType] });
  return { connection: server.connection(), stop: () => server.stop() };
});

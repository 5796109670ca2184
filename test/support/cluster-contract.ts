import { afterAll, beforeAll, describe } from 'vitest';
import { createClient } from '../../src/k8s/client.ts';
import type { Connection } from '../../src/k8s/connection.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { describeEvents, describeLeases } from './cluster-contract/leases-and-events.ts';
import { describeApply, describeObjects, describeStatus } from './cluster-contract/objects.ts';
import type { Parties } from './cluster-contract/parties.ts';
import { describeWatch } from './cluster-contract/watching.ts';

/** A cluster under contract: an empty one that serves the Widgets of cluster-contract/widget.ts. */
export interface ContractCluster {
  readonly connection: Connection;
  stop(): Promise<void>;
}

/** What the k8s layer relies on, on any API server: the real one and the fake. */
export function describeCluster(name: string, start: () => Promise<ContractCluster>, startTimeoutMs = 60_000): void {
  describe(name, () => {
    let cluster: ContractCluster | undefined;
    let transport: Transport | undefined;
    let count = 0;
    const parties = (): Parties => {
      if (transport === undefined) throw new Error('the cluster has not started');
      return { transport, client: createClient(transport), fresh: () => `thing-${++count}` };
    };
    beforeAll(async () => {
      cluster = await start();
      transport = createTransport(cluster.connection, { userAgent: 'sallyport-contract' });
    }, startTimeoutMs);
    afterAll(async () => {
      transport?.close();
      await cluster?.stop();
    });
    describeObjects(parties);
    describeApply(parties);
    describeStatus(parties);
    describeWatch(parties);
    describeLeases(parties);
    describeEvents(parties);
  });
}

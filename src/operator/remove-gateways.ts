import { type MeshGateway, meshGatewayType } from '../api/meshgateway.ts';
import { CLEANUP_FINALIZER } from '../api/names.ts';
import type { Client } from '../k8s/client.ts';
import { type Clock, delay } from '../k8s/clock.ts';
import type { Log } from '../runtime/log.ts';

export interface Removal {
  readonly client: Client;
  readonly log: Log;
  readonly clock: Clock;
  /** How long nodes have to clean up before the gateways are removed without them. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

const LOOK_EVERY_MS = 1_000;

/**
 * Deletes every MeshGateway and waits until the nodes have cleaned up; at the deadline it takes the finalizers off itself, so
 * that an uninstallation ends although nodes or the operator are gone. It says then what may be left, and where.
 */
export async function removeGateways({ client, log, clock, deadlineMs, signal }: Removal): Promise<void> {
  const deadline = clock.monotonic() + deadlineMs;
  for (const gateway of await gatewaysIn(client)) {
    log.info({ gateway: gateway.metadata.name }, 'deleting the MeshGateway; its nodes remove what they made');
    await client.delete(meshGatewayType, { name: gateway.metadata.name });
  }
  let left = await gatewaysIn(client);
  while (left.length > 0 && clock.monotonic() < deadline && !signal.aborted) {
    await delay(clock, LOOK_EVERY_MS, signal);
    left = await gatewaysIn(client);
  }
  for (const gateway of left) await releaseAnyway(client, log, gateway);
}

async function gatewaysIn(client: Client): Promise<readonly MeshGateway[]> {
  return (await client.list(meshGatewayType)).items;
}

async function releaseAnyway(client: Client, log: Log, gateway: MeshGateway): Promise<void> {
  const { name, finalizers = [] } = gateway.metadata;
  log.warn(
    { gateway: name },
    'not every node has cleaned up in time; a node that was unreachable keeps its interface, routes and nftables table until it is rebooted',
  );
  await client.patch(
    meshGatewayType,
    { name },
    { metadata: { finalizers: finalizers.filter((entry) => entry !== CLEANUP_FINALIZER) } },
  );
}

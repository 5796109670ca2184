import { describe, expect, test } from 'vitest';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { CLEANUP_FINALIZER } from '../../src/api/names.ts';
import { eventType } from '../../src/k8s/events.ts';
import { type Removal, removeGateways } from '../../src/operator/remove-gateways.ts';
import { type FakeCluster, startFakeCluster } from '../support/fake-api-server/cluster.ts';
import { SkippingClock } from '../support/fake-clock.ts';

const RESOURCES = [meshGatewayType, meshGatewayNodeType, { ...eventType, status: false }];
const GATEWAYS = '/meshgateways';

/** A cluster with one gateway; its finalizer holds it unless somebody plays the operator. */
async function aCluster(finalizers: readonly string[] = [CLEANUP_FINALIZER]) {
  const cluster = await startFakeCluster({ resources: RESOURCES });
  put(cluster, { metadata: { name: 'default', finalizers }, spec: {} });
  return cluster;
}

function put(
  { server }: FakeCluster,
  object: {
    readonly metadata: { readonly name: string; readonly finalizers: readonly string[] };
    readonly spec: object;
  },
): void {
  const target = { name: object.metadata.name, namespace: undefined, status: false };
  server.collection(meshGatewayType).apply(target, { ...object }, { manager: 'test', force: true });
}

function putReport({ server }: FakeCluster, gateway: string, node: string): void {
  const metadata = { name: `${gateway}.${node}`, namespace: 'sallyport-system' };
  const target = { ...metadata, status: false };
  const report = { metadata, spec: { gateway, node } };
  server.collection(meshGatewayNodeType).apply(target, report, { manager: 'test', force: true });
}

/** What the operator does as soon as a gateway is deleted: it has the nodes clean up, then lets the gateway go. */
function playOperator({ server }: FakeCluster, cleanNodes: () => Promise<void> = async () => undefined): void {
  const gateways = server.collection(meshGatewayType);
  gateways.onEvent(({ type, object }) => {
    const { name, deletionTimestamp } = object.metadata as {
      readonly name: string;
      readonly deletionTimestamp?: string;
    };
    if (type !== 'MODIFIED' || deletionTimestamp === undefined) return;
    const target = { name, namespace: undefined, status: false };
    void cleanNodes().then(() => gateways.patch(target, { metadata: { finalizers: null } }, 'operator'));
  });
}

async function removal({ client, signal }: FakeCluster, override: Partial<Removal> = {}) {
  const said: string[] = [];
  const clock = new SkippingClock();
  await removeGateways({ client, say: (line) => said.push(line), clock, deadlineMs: 90_000, signal, ...override });
  return { said, tookMs: clock.monotonic() };
}

const left = ({ server }: FakeCluster) => server.collection(meshGatewayType).list().length;

describe('removing all gateways', () => {
  test('asks for the deletion and waits until the operator has let them go', async () => {
    const cluster = await aCluster();
    playOperator(cluster);
    const { said, tookMs } = await removal(cluster);
    expect(said).toEqual([
      'Deleting MeshGateway default; its nodes remove what they made.',
      'No MeshGateway is left, whatever Helm says was kept.',
    ]);
    expect({ left: left(cluster), inTime: tookMs < 90_000 }).toEqual({ left: 0, inTime: true });
  });

  test('has nothing to do without gateways, nor without their definition', async () => {
    for (const resources of [RESOURCES, []]) {
      const cluster = await startFakeCluster({ resources });
      expect(await removal(cluster)).toEqual({
        said: ['No MeshGateway is left, whatever Helm says was kept.'],
        tookMs: 0,
      });
    }
  });

  test('takes the finalizer off itself at the deadline, and names the nodes that still report', async () => {
    const cluster = await aCluster();
    putReport(cluster, 'default', 'node-2.example.com');
    const { said, tookMs } = await removal(cluster);
    expect(said).toContainEqual(
      expect.stringMatching(
        /^Node node-2\.example\.com did not clean up .* ip link delete wg-default; nft delete table/,
      ),
    );
    expect(said).toContainEqual(expect.stringContaining('its finalizer was removed'));
    expect({ left: left(cluster), tookMs }).toEqual({ left: 0, tookMs: expect.closeTo(90_000, -4) });
  });

  test('names the nodes that the operator gave up on', async () => {
    const cluster = await aCluster();
    const { uid } = (await cluster.client.get(meshGatewayType, 'default'))?.metadata ?? {};
    const event = (name: string, regarding: object) =>
      cluster.client.create(eventType, {
        metadata: { name, namespace: 'default' },
        ...{ reason: 'NodesGivenUp', note: `note of ${name}`, regarding: { kind: 'MeshGateway', ...regarding } },
      });
    playOperator(cluster, async () => {
      await event('now', { uid });
      await event('earlier', { uid: 'of a gateway before' });
    });
    const { said } = await removal(cluster);
    expect(said.filter((line) => line.startsWith('note'))).toEqual(['note of now']);
  });

  test.each([
    ['refused for want of rights, which come with a delay', { kind: 'refuse', code: 403, reason: 'Forbidden' }, 5],
    ['refused for overload', { kind: 'refuse', code: 429, retryAfterSeconds: 1 }, 3],
    ['struck by an error', { kind: 'refuse', code: 500 }, 7],
    ['cut', { kind: 'cut' }, 2],
  ] as const)('asks again when it is %s', async (_what, action, times) => {
    const cluster = await aCluster();
    playOperator(cluster);
    cluster.server.fault({ path: GATEWAYS, method: 'GET', times, action });
    cluster.server.fault({ path: GATEWAYS, method: 'DELETE', times, action });
    const { said, tookMs } = await removal(cluster);
    expect(said.filter((line) => line.startsWith('The API server refuses'))).toHaveLength(2);
    expect({ left: left(cluster), inTime: tookMs < 90_000 }).toEqual({ left: 0, inTime: true });
  });

  test('ends soon after the deadline when the API server refuses for ever, and says what to do', async () => {
    const cluster = await aCluster();
    cluster.server.fault({ action: { kind: 'refuse', code: 403, reason: 'Forbidden' } });
    const { said, tookMs } = await removal(cluster);
    expect(said.at(-1)).toMatch(/^MeshGateways may be left.* kubectl patch meshgateway NAME/);
    expect(said.length).toBeLessThan(6);
    expect(tookMs).toBeLessThan(120_000);
  });

  test('removes what nobody can read', async () => {
    const cluster = await aCluster();
    put(cluster, { metadata: { name: 'odd', finalizers: [] }, spec: { listenPort: 'many' } });
    playOperator(cluster);
    await removal(cluster);
    expect(left(cluster)).toBe(0);
  });

  test("leaves others' finalizers alone, and says whose", async () => {
    const cluster = await aCluster([CLEANUP_FINALIZER, 'example.com/backup']);
    const { said } = await removal(cluster);
    expect(said).toContainEqual(expect.stringContaining('example.com/backup'));
    expect((await cluster.client.get(meshGatewayType, 'default'))?.metadata.finalizers).toEqual(['example.com/backup']);
  });

  test('lets no gateway go when it is told to stop: another pod goes on', async () => {
    const cluster = await aCluster();
    const stop = new AbortController();
    stop.abort(new Error('evicted'));
    await expect(removal(cluster, { signal: stop.signal })).rejects.toThrow('evicted');
    expect((await cluster.client.get(meshGatewayType, 'default'))?.metadata.finalizers).toEqual([CLEANUP_FINALIZER]);
  });
});

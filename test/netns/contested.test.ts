import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findCondition } from '../../src/api/conditions.ts';
import { secretType } from '../../src/api/core.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { PRIVATE_KEY_ENTRY } from '../../src/api/names.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { AT_ONCE, EVERY_MS, WINDOW_MS } from '../../src/mesh/contest.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { because } from '../support/because.ts';
import { samplesOf } from '../support/metrics-page.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';
import { missing } from './machine.ts';
import { TestNode } from './mesh.ts';

const { device, table } = PLAN_NAMES;
const REPORT = `${NAMESPACE}/default.node-a` as ObjectKey;
/** So many repairs are waited for once the node gives way. */
const SLOW = 4;
/** A program that undoes what it finds. It leaves time for one writing of the table, which is written again where it is undone meanwhile. */
const UNDOING = 'while :; do "$@" 2>/dev/null; sleep 0.3; done';

describe.skipIf(missing)(`a node that another program undoes again and again${because(missing)}`, () => {
  let node: TestNode;
  let mesh: SmallMesh;
  let folder: string;
  let program: string;
  let mended: () => Promise<number>;
  /** How far the agent's clock is ahead of this machine's, in milliseconds. */
  let ahead = 0;

  const programmed = ({ status }: MeshGatewayNode) => findCondition(status?.conditions ?? [], 'Programmed');
  const untilProgrammed = async (reason: string, says = '') =>
    programmed(
      await mesh.until(meshGatewayNodeType, REPORT, (report) => {
        const { reason: told, message = '' } = programmed(report) ?? {};
        return told === reason && message.includes(says);
      }),
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contested-'));
    program = join(folder, 'edge-firewall');
    node = await TestNode.create();
    await copyFile((await node.namespace.run('command -v nft')).trim(), program);
    mesh = await SmallMesh.start();
    await mesh.client.create(secretType, {
      metadata: { name: 'sallyport-default', namespace: NAMESPACE },
      data: { [PRIVATE_KEY_ENTRY]: Buffer.from(node.keys.privateKey).toString('base64') },
    });
    mesh.startOperator();
    await mesh.addGateway();
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + ahead };
    const { metrics } = await mesh.startAgent('node-a', node.host, clock);
    mended = async () => samplesOf((await metrics.page()).text).get('sallyport_agent_drift_mended_total') ?? 0;
    await untilProgrammed('Programmed');
  });

  afterAll(async () => {
    await mesh?.stop();
    await node?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  test.each<[string, string, () => readonly string[]]>([
    ['deletes its table', 'names the program edge-firewall.', () => [program, 'delete', 'table', 'inet', table]],
    [
      'deletes its address',
      'does not say which program does it;',
      () => ['ip', 'address', 'delete', '10.213.0.1/32', 'dev', device],
    ],
  ])('who %s again and again is given way and told, until that ends', async (_, who, undo) => {
    const before = await mended();
    const other = node.namespace.commands.start(['sh', '-c', UNDOING, 'undoing', ...undo()]);
    try {
      const condition = await untilProgrammed('Contested', who);
      expect(condition?.status).toBe('False');
      const since = performance.now();
      const quick = await mended();
      // What was undone as the test before ended may count among the first.
      expect(quick - before).toBeGreaterThanOrEqual(AT_ONCE);
      await expect.poll(mended, { timeout: 4 * SLOW * EVERY_MS }).toBeGreaterThanOrEqual(quick + SLOW);
      // The first of them may have been due.
      expect(performance.now() - since).toBeGreaterThan((SLOW - 1) * EVERY_MS);
    } finally {
      await other.stop();
    }
    await expect.poll(() => node.namespace.tries(`nft list table inet ${table}`)).toContain('chain from_mesh');
    await expect.poll(() => node.namespace.tries(`ip address show dev ${device}`)).toContain('10.213.0.1/32');
    ahead += WINDOW_MS;
    await untilProgrammed('Programmed');
    expect(mesh.happened.filter(({ reason }) => reason === 'DriftContested')).toHaveLength(1);
    mesh.happened.length = 0;
  });
});

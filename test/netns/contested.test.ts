import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findCondition } from '../../src/api/conditions.ts';
import { secretType } from '../../src/api/core.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { PRIVATE_KEY_ENTRY } from '../../src/api/names.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import type { Running } from '../../src/host/exec.ts';
import { AT_ONCE, EVERY_MS, WINDOW_MS } from '../../src/mesh/contest.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { because } from '../support/because.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';
import { missing } from './machine.ts';
import { TestNode } from './mesh.ts';

const { device, table } = PLAN_NAMES;
const REPORT = `${NAMESPACE}/default.node-a` as ObjectKey;
/** So many repairs are waited for once the node gives way. */
const SLOW = 4;
/** A program that undoes what it finds, and says so each time. */
const UNDOING = 'while :; do "$@" 2>/dev/null && echo undone; sleep 0.05; done';

describe.skipIf(missing)(`a node that another program undoes again and again${because(missing)}`, () => {
  let node: TestNode;
  let mesh: SmallMesh;
  let folder: string;
  let program: string;
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
    await mesh.startAgent('node-a', node.host, clock);
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
    const other = new OtherProgram(node, undo());
    try {
      const condition = await untilProgrammed('Contested', who);
      expect(condition?.status).toBe('False');
      await other.untilUndone(AT_ONCE + 1);
      const quick = other.undone.length;
      expect(quick).toBeLessThan(2 * AT_ONCE);
      await other.untilUndone(quick + SLOW);
      const [first = 0, ...slow] = other.undone.slice(quick - 1);
      // One of them may have been late.
      expect((slow.at(-1) ?? 0) - first).toBeGreaterThan((SLOW - 1) * EVERY_MS);
    } finally {
      await other.end();
    }
    await expect.poll(() => node.namespace.tries(`nft list table inet ${table}`)).toContain('chain from_mesh');
    await expect.poll(() => node.namespace.tries(`ip address show dev ${device}`)).toContain('10.213.0.1/32');
    ahead += WINDOW_MS;
    await untilProgrammed('Programmed');
    expect(mesh.happened.filter(({ reason }) => reason === 'DriftContested')).toHaveLength(1);
    mesh.happened.length = 0;
  });
});

/** Somebody else's program on the node, which does the same whenever it can. */
class OtherProgram {
  /** When it has done it, in milliseconds. */
  readonly undone: number[] = [];
  readonly #running: Running;
  #next = Promise.withResolvers<void>();

  constructor({ namespace }: TestNode, undo: readonly string[]) {
    this.#running = namespace.commands.start(['sh', '-c', UNDOING, 'undoing', ...undo], () => {
      this.undone.push(performance.now());
      this.#next.resolve();
      this.#next = Promise.withResolvers();
    });
  }

  async untilUndone(times: number): Promise<void> {
    while (this.undone.length < times) await this.#next.promise;
  }

  async end(): Promise<void> {
    await this.#running.stop();
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { find } from '../../../scripts/support/machine.ts';
import type { MeshAccess } from '../../../src/api/meshaccess.ts';
import { keyOf } from '../../../src/api/resource.ts';
import { renderReplacement } from '../../../src/dataplane/nftables/render.ts';
import type { Operation } from '../../../src/dataplane/operation.ts';
import { createNftables } from '../../../src/host/nftables.ts';
import { writeScratch } from '../../../src/host/scratch.ts';
import { missing } from '../../netns/machine.ts';
import type { TestNode } from '../../netns/mesh.ts';
import { manyGrants } from '../../support/many-grants.ts';
import { PLAN_NAMES } from '../../support/node-plans.ts';
import { TracedCommands } from '../kernel-bytes/traced.ts';
import { median, type Report, row } from '../row.ts';
import { GrantedNode } from './granted-node.ts';

const GRANTS = 10_000;
const TIMES = 15;
const WHOLE = 3;
/** After a grant has gone its connections are ended, beside everything else. */
const PAUSE_MS = 200;
/** The kernel's announcements come at once, and are gathered for a moment. */
const HEARD_MS = 1_000;

export const changeRows = ['grant_change_ms', 'grant_change_bytes'] as const;

type ElementsStep = Extract<Operation, { readonly kind: 'change-elements' }>;

interface Timed {
  readonly ms: number;
  /** Until it was clear what to do. */
  readonly planned: number;
}

/** The agent's own loop on a node that holds ten thousand grants, each an object of its own; one of them goes, and comes again. */
export async function grantChange(report: Report): Promise<void> {
  if (missing !== undefined) throw new Error(missing);
  const many = manyGrants(GRANTS);
  const granted = await GrantedNode.start(many);
  try {
    const { timed, steps } = await changesOf(granted, many.accesses);
    await delay(HEARD_MS);
    const looks = granted.heard.length;
    const file = await writeWhole(granted);
    const whole: number[] = [];
    for (let time = 0; time < WHOLE; time += 1) {
      const began = performance.now();
      await granted.node.namespace.run(`nft -f ${file}`);
      whole.push(performance.now() - began);
    }
    timeRow(timed, { whole, looks }, report);
    await bytesRow(granted.node, steps, file, report);
  } finally {
    await granted.stop();
  }
}

async function changesOf(granted: GrantedNode, accesses: readonly MeshAccess[]) {
  const timed: Timed[] = [];
  const steps: ElementsStep[] = [];
  for (const access of accesses.filter((_, index) => index % Math.floor(GRANTS / TIMES) === 0).slice(0, TIMES)) {
    const key = keyOf(access.metadata);
    for (const change of [() => granted.accesses.remove(key), () => granted.accesses.put(access)]) {
      const { operations, ...time } = await granted.during(change);
      steps.push(...operations.filter((step) => step.kind === 'change-elements'));
      timed.push(time);
      await delay(PAUSE_MS);
    }
  }
  if (steps.length !== timed.length) throw new Error(`${timed.length} changes were ${steps.length} transactions`);
  return { timed, steps };
}

/** The whole table as one transaction, as a controller writes it that knows nothing smaller. */
async function writeWhole({ node, plan }: GrantedNode): Promise<string> {
  const { ruleset } = plan();
  const { turnedOn } = (await node.host.observe(PLAN_NAMES)).state.sysctls;
  return writeScratch(node.folder, 'whole.nft', renderReplacement(ruleset, turnedOn));
}

function timeRow(
  timed: readonly Timed[],
  { whole, looks }: { readonly whole: readonly number[]; readonly looks: number },
  report: Report,
): void {
  const planned = median(timed.map(({ planned }) => planned));
  const [least, most] = [Math.min, Math.max].map((pick) => pick(...timed.map(({ ms }) => ms))) as [number, number];
  report(
    row({
      name: 'grant_change_ms',
      unit: 'ms',
      value: median(timed.map(({ ms }) => ms)),
      floor: median(whole),
      n: timed.length,
      says: `from the changed MeshAccess in the agent's cache until the kernel has its element, one removed or added among ${GRANTS}, each an object of its own (${planned.toFixed(1)} ms of it until it was clear what to do; from ${least.toFixed(1)} to ${most.toFixed(1)} ms); the kernel's announcements of the ${timed.length} changes led to ${looks} looks at everything; rival: the whole ruleset in one transaction, by nft alone`,
    }),
  );
}

async function bytesRow(node: TestNode, steps: readonly ElementsStep[], whole: string, report: Report): Promise<void> {
  if (find('strace') === undefined) throw new Error('`strace` is missing; install strace');
  const enter = ['nsenter', '-t', String(node.namespace.pid), '-m', '-n', '--'];
  const traced = new TracedCommands(node.folder, enter);
  const nftables = createNftables(traced.commands, node.folder);
  const bytes: number[] = [];
  for (const { table, changes } of steps.slice(0, 4))
    bytes.push((await traced.during(() => nftables.change(table, changes))).bytes);
  const rival = await traced.during(() => traced.commands.run(['nft', '-f', whole]));
  report(
    row({
      name: 'grant_change_bytes',
      unit: 'bytes',
      value: median(bytes),
      floor: rival.bytes,
      n: bytes.length,
      says: `of netlink messages, both ways, for the nft transaction of the same change (what nft asks about the tables that are there included), of ${Math.min(...bytes)} to ${Math.max(...bytes)}; rival: the whole ruleset in one transaction`,
    }),
  );
}

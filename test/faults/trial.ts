import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { gapsText } from '../bench/loss/gaps.ts';
import { takePrecedence } from '../bench/loss/precedence.ts';
import type { Laptop } from '../lab/laptop.ts';
import { cellsIn, withCells } from '../lab/matrix/table.ts';
import { type Device, type Mesh, startMesh } from '../lab/mesh.ts';
import type { NodeKernel } from '../lab/node.ts';
import { dialsItsNode } from './devices.ts';
import { type Fault, NODES, type Scene } from './fault.ts';
import { FAULTS } from './faults.ts';
import { Load } from './load.ts';
import { broken, promiseText, seenText } from './promise.ts';
import { faultsTable, nameOf, seenIn } from './table.ts';
import { tried } from './tried.ts';

const DOCUMENT = inProject('docs/reliability.md');
const NIGHTLY = process.env.SALLYPORT_FAULTS === 'nightly';
const ROW_MS = 5 * 60_000;
const NIGHTLY_ROW_MS = 20 * 60_000;

/** A cluster, and what goes wrong there. */
export interface Trial {
  /** Of the lab. */
  readonly name: string;
  /** Of the cluster's nodes. */
  readonly kernels: readonly NodeKernel[];
  /** The node with the pod that answers the load. */
  readonly answersOn: string;
  readonly faults: readonly Fault[];
}

/** Tests that let each fault happen under load, as rows of docs/reliability.md. With SALLYPORT_FAULTS=nightly those too that take long. */
export function tryFaults({ name, kernels, answersOn, faults: all }: Trial): void {
  const seen = new Map<string, string>();
  let mesh: Mesh;
  let laptop: Laptop;
  let device: Device;
  let spare: Scene['spare'];

  /** Why a fault is not tried now. */
  function leftOut({ nightly, through }: Fault): string | undefined {
    if (nightly !== undefined && !NIGHTLY) return `${nightly}; SALLYPORT_FAULTS=nightly tries it`;
    if (through === 'kernel' && !kernels.includes('own')) return 'it needs a node with a kernel of its own';
    return undefined;
  }

  for (const fault of all) {
    const why = leftOut(fault);
    if (why !== undefined) console.warn(`SKIPPED ${nameOf(fault)}: ${why}`);
  }
  const here = all.filter((fault) => leftOut(fault) === undefined);

  beforeAll(async () => {
    mesh = await startMesh(name, kernels);
    [laptop, spare] = await Promise.all([
      mesh.cluster.addLaptop('ada'),
      mesh.cluster.addLaptop('eve').then(async (other) => ({ laptop: other, device: await mesh.addDevice('eve') })),
    ]);
    device = await mesh.addDevice('ada');
    await mesh.untilPeer(spare.device, 'Programmed');
  });

  afterAll(() => mesh?.cluster.stop());

  describe.each([...new Set(here.map(({ through }) => through))])('through %s WireGuard', (through) => {
    const faults = here.filter((fault) => fault.through === through);
    let load: Load;

    beforeAll(async () => {
      await mesh.join(laptop, device, mesh.cluster.node(NODES[through]).address);
      load = await Load.start(laptop, await mesh.serviceAddress(`hello-${answersOn}`));
      await takePrecedence(mesh.cluster, laptop);
    });

    afterAll(async () => {
      await load?.stop();
      await mesh.leave(laptop);
    });

    test.each(faults.map((fault) => [fault.what, fault] as const))(
      '%s',
      { timeout: NIGHTLY ? NIGHTLY_ROW_MS : ROW_MS },
      async (_what, fault) => {
        const scene = { mesh, node: mesh.cluster.node(NODES[through]), laptop, device, spare };
        if (await dialsItsNode(scene)) await takePrecedence(mesh.cluster, laptop);
        const noticed = await tried(fault, scene, load);
        const text = seenText(noticed);
        seen.set(nameOf(fault), text);
        const { lost, gaps, since } = noticed.packets;
        console.log(`${nameOf(fault)}: ${text}${lost > 0 ? ` (${gapsText(gaps, since)})` : ''}`);
        expect(broken(fault.promise, noticed), `${promiseText(fault.promise)}; seen: ${text}`).toEqual([]);
      },
    );
  });

  test('docs/reliability.md takes up what was seen when it is asked to', async () => {
    const document = await readFile(DOCUMENT, 'utf8');
    const known = cellsIn(document);
    const table = faultsTable(FAULTS, new Map([...seenIn(known), ...seen]));
    console.log(table);
    if (process.env.SALLYPORT_WRITE_DOCS === '1') await writeFile(DOCUMENT, withCells(document, table));
    else expect([...seenIn(known).keys()]).toEqual([...seenIn(table).keys()]);
  });
}

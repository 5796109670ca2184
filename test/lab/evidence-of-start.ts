import { evidenceFolder } from '../../scripts/support/evidence-folder.ts';
import { clustersHere } from './clusters-here.ts';
import { collectEvidence } from './evidence.ts';

/** Leaves evidence of a lab that a test could not start, before that is removed. Outside of tests there is nobody to read it. */
export async function evidenceOfStart(lab: string): Promise<void> {
  for (const cluster of clustersHere) {
    if (cluster.name !== lab) continue;
    clustersHere.delete(cluster);
    if (process.env.VITEST === undefined) continue;
    const folder = evidenceFolder(`start-of-${lab}`);
    await collectEvidence(cluster, folder);
    console.log(`evidence of the failure: ${folder}`);
  }
}

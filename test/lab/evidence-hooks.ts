import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, type RunnerTask } from 'vitest';
import { evidenceFolder } from '../../scripts/support/evidence-folder.ts';

/** Something that a failed test ran on. */
export interface Scene {
  /** What tells it from the others. */
  readonly name: string;
  /** Fills a folder, which it makes. Never rejects. */
  readonly collect: (folder: string) => Promise<void>;
}

/** What is broken fails test after test, all for one reason, so only the first few of a file leave a folder. */
const FOLDERS_PER_FILE = 3;

/** What the set-up file of this process says; vitest loads the modules of its runner and of set-up files apart, so it is the process's. */
interface Said {
  scenes: () => readonly Scene[];
  left: number;
}
const everywhere = globalThis as typeof globalThis & { sallyportEvidence?: Said };
everywhere.sallyportEvidence ??= { scenes: () => [], left: 0 };
const said = everywhere.sallyportEvidence;

/**
 * Makes every test that fails leave a folder of evidence, before anything of it is cleaned up. For set-up files alone, of a ring whose
 * `runner` is evidence-runner.ts and whose `sequence.hooks` is `list`.
 */
export function leaveEvidence(where: () => readonly Scene[]): void {
  Object.assign(said, { scenes: where, left: 0 });

  /** What fails outside of all tests, as a file's `beforeAll` does. */
  // biome-ignore lint/correctness/noEmptyPattern: vitest takes nothing else for fixtures of which none is used.
  afterAll(({}, { file }) => (said.left === 0 ? evidenceOf(file, file.name) : undefined));
}

/** Leaves the evidence of a task that has failed; does nothing for another. */
export async function evidenceOf(task: RunnerTask, name: string): Promise<void> {
  if (task.result?.state !== 'fail' || said.left >= FOLDERS_PER_FILE) return;
  said.left += 1;
  const all = said.scenes();
  for (const scene of all) {
    const folder = evidenceFolder(all.length === 1 ? name : `${name}-${scene.name}`);
    rmSync(folder, { recursive: true, force: true });
    await scene.collect(folder);
    const errors = task.result.errors?.map(({ stack, message }) => stack ?? message) ?? [];
    writeFileSync(join(folder, 'failure.txt'), `${name}\n\n${errors.join('\n\n')}\n`);
    console.log(`evidence of the failure: ${folder}`);
  }
}

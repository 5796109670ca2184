import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { inProject } from './paths.ts';

/** Where failing tests leave evidence, a folder each; SALLYPORT_TEST_RESULTS names another place than test-results. */
export function resultsFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.SALLYPORT_TEST_RESULTS || inProject('test-results');
}

/** The folder for what is called so; of the name what every file system and upload takes. */
export function evidenceFolder(name: string, env?: NodeJS.ProcessEnv): string {
  const plain = name.replace(/^test\/|\.test\.ts/g, '').replace(/[^A-Za-z0-9._-]+/g, '-');
  return join(resultsFolder(env), plain.slice(0, 100).replace(/^[-.]+|-+$/g, ''));
}

/** Removes what an earlier run left in the project's own folder; a folder that somebody named may hold more than ours. */
export function forgetEarlierEvidence(): void {
  rmSync(inProject('test-results'), { recursive: true, force: true });
}

/** The folders of evidence that were made since a moment, in milliseconds since the epoch. */
export function evidenceSince(moment: number): readonly string[] {
  const folder = resultsFolder();
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).mtimeMs >= moment)
    .sort();
}

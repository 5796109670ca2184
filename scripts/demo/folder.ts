import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../../test/lab/binaries.ts';
import { inProject } from '../support/paths.ts';
import type { LoadedImage } from './place.ts';

/** The folder that the demo's commands run in. It looks like the project's, but its samples may be edited as a user would. */
export function demoFolder(): string {
  return join(cacheDirectory(), 'demo');
}

export async function makeFolder(): Promise<void> {
  await removeFolder();
  await mkdir(join(demoFolder(), 'manifests'), { recursive: true });
  await symlink(inProject('charts'), join(demoFolder(), 'charts'));
  await cp(inProject('manifests/samples'), join(demoFolder(), 'manifests/samples'), { recursive: true });
}

/** Notes that this demo was left running. */
export async function markKept(): Promise<void> {
  await writeFile(keptMark(), '');
}

/** Whether an earlier demo was left running, and not removed since. */
export function wasKept(): boolean {
  return existsSync(keptMark());
}

export async function removeFolder(): Promise<void> {
  await rm(demoFolder(), { recursive: true, force: true });
}

/** The chart's values: where the image is. The cluster has it already, so it is never fetched. */
export async function writeValues({ repository, tag }: LoadedImage): Promise<void> {
  const lines = ['image:', `  repository: ${repository}`, `  tag: "${tag}"`, '  pullPolicy: Never'];
  await writeFile(join(demoFolder(), 'values.yaml'), `${lines.join('\n')}\n`);
}

/** Replaces what follows `field:` on every line of a sample that has this field. @throws Error where there is none. */
export async function editSample(name: string, field: string, value: string): Promise<void> {
  const file = join(demoFolder(), 'manifests/samples', name);
  const before = await readFile(file, 'utf8');
  const line = new RegExp(`^( *${field}: ).*$`, 'gm');
  if (!line.test(before)) throw new Error(`${name} has no ${field}`);
  await writeFile(
    file,
    before.replace(line, (_, start: string) => start + value),
  );
}

function keptMark(): string {
  return join(demoFolder(), 'kept');
}

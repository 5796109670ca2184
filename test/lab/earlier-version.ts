import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inProject } from '../../scripts/support/paths.ts';
import type { Tools } from './binaries.ts';
import { output, run } from './exec.ts';
import { SALLYPORT_IMAGE, sallyportImage } from './sallyport-image.ts';

/** What people install: a commit that changes none of it is the same version. */
const PRODUCT = ['src', 'charts', 'crds', 'image', 'package-lock.json'] as const;

/** The product as an earlier commit has it. */
export interface EarlierVersion {
  readonly commit: string;
  readonly subject: string;
  /** Its whole tree, with the packages of today. */
  readonly folder: string;
  readonly image: { readonly repository: string; readonly tag: string };
  /** Makes the archive of its image, from its sources and by its own way of bundling them. */
  archive(tools: Tools): Promise<string>;
  /** Removes its tree. */
  remove(): Promise<void>;
}

/** Why there is no earlier version to upgrade from; undefined when there is one. */
export async function historyProblem(): Promise<string | undefined> {
  const inside = await run(['git', 'rev-parse', '--is-shallow-repository'], { cwd: inProject() });
  if (inside.code !== 0) return 'this is no git repository, so there is no earlier version; clone it';
  if ((await earlierCommit()) !== undefined) return undefined;
  const shallow = inside.stdout.trim() === 'true';
  return `no earlier version of the product in this clone; ${shallow ? 'run: git fetch --unshallow' : 'there is one commit only'}`;
}

/** The last version before the tree as it is now: along first parents, the nearest commit whose product is another. */
export async function earlierVersion(): Promise<EarlierVersion> {
  const commit = await earlierCommit();
  if (commit === undefined) throw new Error('there is no earlier version of the product in this clone');
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-earlier-'));
  const unpack = 'git archive "$1" | tar -x -C "$2"';
  await output(['sh', '-ec', unpack, 'unpack', commit, folder], { cwd: inProject() });
  await symlink(inProject('node_modules'), join(folder, 'node_modules'));
  const image = { ...SALLYPORT_IMAGE, tag: `lab-${commit.slice(0, 12)}` };
  return {
    commit,
    subject: (await git('log', '-1', '--format=%h %s', commit)).trim(),
    folder,
    image,
    archive: (tools) => sallyportImage(tools, { root: folder, tag: image.tag }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function earlierCommit(): Promise<string | undefined> {
  const changed = await run(['git', 'diff', '--quiet', 'HEAD', '--', ...PRODUCT], { cwd: inProject() });
  if (changed.code !== 0) return (await git('rev-parse', 'HEAD')).trim();
  const last = (await git('log', '--first-parent', '-1', '--format=%H', '--', ...PRODUCT)).trim();
  const parent = await run(['git', 'rev-parse', '--verify', '--quiet', `${last}^1`], { cwd: inProject() });
  return parent.code === 0 ? parent.stdout.trim() : undefined;
}

function git(...argv: readonly string[]): Promise<string> {
  return output(['git', ...argv], { cwd: inProject() });
}

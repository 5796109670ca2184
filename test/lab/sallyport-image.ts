import { mkdir, mkdtemp, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { IMAGE_COMMAND, IMAGE_ENVIRONMENT } from '../../image/contents.ts';
import { imageEntries } from '../../image/entries.ts';
import { THIS_MACHINE } from '../../image/machine.ts';
import { buildProgram, PROGRAMS, type Program } from '../../scripts/build.ts';
import { inProject } from '../../scripts/support/paths.ts';
import { cacheDirectory, type Tools } from './binaries.ts';
import { output } from './exec.ts';
import { imageArchive } from './image.ts';
import { NODE_PATH, nodeLayer } from './workload.ts';

/** The image's name in the lab, as the chart's values `image.repository` and `image.tag`. */
export const SALLYPORT_IMAGE = { repository: 'localhost/lab/sallyport', tag: 'lab' } as const;

/** A tree of the project, and the tag of the image that is made of it. */
export interface ImageSource {
  readonly root: string;
  readonly tag: string;
}

type ImageModule = typeof import('../../image/contents.ts');

const HERE: ImageSource = { root: inProject(), tag: SALLYPORT_IMAGE.tag };

/** Names the archive that was made for all files of a run of tests (image-setup.ts). */
export const IMAGE_VARIABLE = 'SALLYPORT_LAB_IMAGE';

/**
 * Bundles the programs as they are now and makes the archive of their image, with the same contents as the Dockerfile's but
 * with this machine's programs instead of those of its base. Takes a few seconds, and in a run of tests only its beginning.
 */
export async function sallyportImage(tools: Tools, source: ImageSource = HERE): Promise<string> {
  const made = process.env[IMAGE_VARIABLE];
  if (source === HERE && made !== undefined) {
    // In use, so not outdated (image.ts).
    await utimes(made, new Date(), new Date());
    return made;
  }
  const folder = join(cacheDirectory(), 'bundles');
  await mkdir(folder, { recursive: true });
  // Of its own: others may bundle at this moment.
  const bundles = await mkdtemp(join(folder, 'of-'));
  try {
    return await makeImage(tools, source, bundles);
  } finally {
    await rm(bundles, { recursive: true, force: true });
  }
}

async function makeImage(tools: Tools, { root, tag }: ImageSource, folder: string): Promise<string> {
  // Another tree says itself what belongs into its image; how an image is made here does not change with it.
  const { imageContents }: ImageModule = await import(pathToFileURL(join(root, 'image/contents.ts')).href);
  const contents = imageContents();
  const built = new Map<string, string>();
  for (const program of Object.keys(PROGRAMS) as readonly Program[]) {
    if (!contents.files.some(({ source }) => source === `dist/${program}.mjs`)) continue;
    built.set(`dist/${program}.mjs`, (await buildProgram(program, folder, root)).file);
  }
  const entries = await imageEntries(contents, {
    machine: THIS_MACHINE,
    executable: (name) => (name === 'node' ? process.execPath : located(name, tools)),
    file: (file) => built.get(file) ?? join(root, file),
  });
  return imageArchive({
    name: `${SALLYPORT_IMAGE.repository}:${tag}`,
    // Node.js in a layer of its own, which other images of the lab have too.
    layers: [nodeLayer(), { entries: entries.filter(({ path }) => path !== NODE_PATH) }],
    entrypoint: IMAGE_COMMAND,
    env: IMAGE_ENVIRONMENT,
    user: contents.user,
  });
}

async function located(name: string, tools: Tools): Promise<string> {
  const found = await output(['sh', '-c', `command -v ${name}`], { env: { PATH: tools.searchPath } });
  return found.trim();
}

import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { buildLock, cacheDirectory } from './binaries.ts';
import { output, TIED } from './exec.ts';
import { loadOrder } from './module-order.ts';
import { step } from './progress.ts';

/** Debian's kernel for virtual machines; what it depends on is the present one. */
const PACKAGE = 'linux-image-cloud-amd64';
const FIRST = join(import.meta.dirname, 'tools', 'linux', 'first.c');
/** What a guest needs before it sees the host's files, and to lay memory over them. The rest it loads from there. */
const EARLY_MODULES = ['virtio_pci', 'virtiofs', 'overlay'];

/** A kernel as Debian ships it. */
export interface StockKernel {
  readonly image: string;
  /** An initramfs whose first process makes the shared folder `host` the root and goes on with the program in GUEST_INIT. */
  readonly initramfs: string;
  /** The folder that belongs at /lib/modules, under its own name. */
  readonly modules: string;
}

/** The kernel that `apt-get install linux-image-cloud-amd64` would install here, in the cache; downloaded if it is not there. */
export async function stockKernel(): Promise<StockKernel> {
  const { name, version } = await candidate();
  const suffix = createHash('sha256')
    .update(JSON.stringify([await readFile(FIRST, 'utf8'), EARLY_MODULES]))
    .digest('hex')
    .slice(0, 16);
  const target = join(cacheDirectory(), 'linux-stock', `${name}_${version}-${suffix}`);
  const lock = existsSync(target) ? undefined : await buildLock();
  try {
    if (!existsSync(target)) await step(`fetching Debian's kernel ${name} ${version}`, fetch(name, version, target));
  } finally {
    lock?.close();
  }
  return partsOf(target);
}

async function candidate(): Promise<{ readonly name: string; readonly version: string }> {
  const env = { LC_ALL: 'C' };
  const [, name = ''] =
    /Depends: (linux-image-\S+)/.exec(await output(['apt-cache', 'depends', PACKAGE], { env })) ?? [];
  if (name === '') throw new Error(`there is no package ${PACKAGE}: run apt-get update where there is a Debian`);
  const [, version = ''] = /Candidate: (\S+)/.exec(await output(['apt-cache', 'policy', name], { env })) ?? [];
  return { name, version };
}

/** The folder appears complete or not at all. */
async function fetch(name: string, version: string, target: string): Promise<void> {
  const unfinished = `${target}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(join(unfinished, 'download'), { recursive: true });
  const download = join(unfinished, 'download');
  await output([...TIED, 'apt-get', 'download', `${name}=${version}`], { cwd: download });
  const [file = ''] = readdirSync(download);
  await output([...TIED, 'dpkg-deb', '-x', join(download, file), unfinished]);
  await rm(download, { recursive: true });
  const { modules } = partsOf(unfinished);
  await output(['depmod', '-b', unfinished, basename(modules)]);
  await makeInitramfs(unfinished, modules);
  await rename(unfinished, target);
}

async function makeInitramfs(folder: string, modules: string): Promise<void> {
  const root = join(folder, 'initramfs');
  await mkdir(root);
  await output(['gcc', '-static', '-O2', '-o', join(root, 'init'), FIRST]);
  const order = loadOrder(await readFile(join(modules, 'modules.dep'), 'utf8'), EARLY_MODULES);
  for (const module of order) await copyFile(join(modules, module), join(root, basename(module)));
  await writeFile(join(root, 'modules'), order.map((module) => `/${basename(module)}\n`).join(''));
  const names = readdirSync(root).join('\n');
  await output(['cpio', '--create', '--format=newc', '--quiet', '--file', join(folder, 'initramfs.cpio')], {
    cwd: root,
    input: names,
  });
  await rm(root, { recursive: true });
}

function partsOf(folder: string): StockKernel {
  const all = join(folder, 'lib', 'modules');
  const [release = ''] = readdirSync(all);
  return {
    image: join(folder, 'boot', `vmlinuz-${release}`),
    initramfs: join(folder, 'initramfs.cpio'),
    modules: join(all, release),
  };
}

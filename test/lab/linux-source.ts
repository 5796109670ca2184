import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { output, run, TIED } from './exec.ts';
import { step } from './progress.ts';

/** The line of kernels that is built: Debian's stable one, whose options the fragment names. */
export const SOURCE_PACKAGE = 'linux-source-6.12';
/** Where that package, installed, has it. */
export const INSTALLED_SOURCE = `/usr/src/${SOURCE_PACKAGE}.tar.xz`;

/** Debian's source of a kernel: a package that can be had, or an installed one. */
export interface LinuxSource {
  /** Debian's version of it. */
  readonly version: string;
  /** Unpacks it. The folder appears complete or not at all, and is not unpacked twice. */
  unpack(folder: string): Promise<void>;
}

/** The source of the kernel that apt would install, or that is installed; undefined where there is neither. */
export async function linuxSource(): Promise<LinuxSource | undefined> {
  if (existsSync(INSTALLED_SOURCE)) {
    return { version: await installedVersion(), unpack: (folder) => unpackOnce(INSTALLED_SOURCE, folder) };
  }
  const version = await candidate();
  if (version === undefined) return undefined;
  return { version, unpack: (folder) => unpackPackage(version, folder) };
}

/** What a machine without the source can do about it. */
export const SOURCE_REMEDY = `run apt-get update where there is a Debian with ${SOURCE_PACKAGE} (its security suite has it), or put ${INSTALLED_SOURCE} there`;

async function installedVersion(): Promise<string> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own way to name a field.
  const asked = await run(['dpkg-query', '--show', '--showformat=${Version}', SOURCE_PACKAGE]).catch(() => undefined);
  if (asked?.code === 0 && asked.stdout !== '') return asked.stdout.trim();
  const { size, mtimeMs } = statSync(INSTALLED_SOURCE);
  return `6.12-by-hand-${size}-${Math.trunc(mtimeMs)}`;
}

async function candidate(): Promise<string | undefined> {
  const asked = await run(['apt-cache', 'policy', SOURCE_PACKAGE], { env: { LC_ALL: 'C' } }).catch(() => undefined);
  const version = /^ {2}Candidate: (\S+)$/m.exec(asked?.stdout ?? '')?.[1];
  return version === '(none)' ? undefined : version;
}

async function unpackPackage(version: string, folder: string): Promise<void> {
  if (existsSync(folder)) return;
  const files = `${folder}.package`;
  await rm(files, { recursive: true, force: true });
  await mkdir(files, { recursive: true });
  try {
    await step(
      `downloading ${SOURCE_PACKAGE} ${version}`,
      output([...TIED, 'apt-get', 'download', `${SOURCE_PACKAGE}=${version}`], { cwd: files }),
    );
    const [file = ''] = readdirSync(files);
    await output([...TIED, 'dpkg-deb', '-x', join(files, file), join(files, 'root')]);
    await unpackOnce(join(files, 'root', INSTALLED_SOURCE), folder);
  } catch (cause) {
    throw new Error(`the source of the kernel cannot be had: ${SOURCE_REMEDY}`, { cause });
  } finally {
    await rm(files, { recursive: true, force: true });
  }
}

async function unpackOnce(archive: string, folder: string): Promise<void> {
  if (existsSync(folder)) return;
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const argv = [...TIED, 'tar', '--extract', '--xz', '--strip-components=1', '--file', archive, '-C', unfinished];
  await step('unpacking the source of the kernel (1.7 GB until it is built)', output(argv));
  await rename(unfinished, folder);
}

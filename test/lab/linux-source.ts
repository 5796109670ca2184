import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output, run, TIED } from './exec.ts';
import { say, step } from './progress.ts';

/** The line of kernels that is built: its guests take the processor for half as long as those of the stable one do (seccomp instead of ptrace). */
export const SOURCE_PACKAGE = 'linux-source-7.3';
/** Where Debian has it. */
const SUITE = 'trixie-backports';
/** The line that is built where that one cannot be had: of Debian's stable release. */
export const STABLE_PACKAGE = 'linux-source-6.12';
const ARCHIVE_KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Debian's source of a kernel: a package that can be had, or an installed one. */
export interface LinuxSource {
  /** Such as linux-source-7.3. */
  readonly line: string;
  /** Debian's version of it. */
  readonly version: string;
  /** Unpacks it. The folder appears complete or not at all, and is not unpacked twice. */
  unpack(folder: string): Promise<void>;
}

/** What a machine without any source can do about it. */
export const SOURCE_REMEDY = `run apt-get update where there is a Debian with ${STABLE_PACKAGE} (its security suite has it), or put ${archiveOf(STABLE_PACKAGE)} there`;

/** Whether a source is installed, or apt knows one. */
export function isSourceNear(asksApt: (packageName: string) => string): boolean {
  return [SOURCE_PACKAGE, STABLE_PACKAGE].some(
    (line) => existsSync(archiveOf(line)) || /^ {2}\S+: +\d/m.test(asksApt(line)),
  );
}

/**
 * The source of a kernel: an installed one, or what Debian has, for which apt keeps its lists in this folder, apart from the machine's.
 * Undefined where there is none.
 */
export async function linuxSource(folder: string): Promise<LinuxSource | undefined> {
  return (
    (await installed(SOURCE_PACKAGE)) ??
    (await newest(folder)) ??
    (await installed(STABLE_PACKAGE)) ??
    (await packaged(STABLE_PACKAGE, []))
  );
}

function archiveOf(line: string): string {
  return `/usr/src/${line}.tar.xz`;
}

async function installed(line: string): Promise<LinuxSource | undefined> {
  const archive = archiveOf(line);
  if (!existsSync(archive)) return undefined;
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own way to name a field.
  const asked = await run(['dpkg-query', '--show', '--showformat=${Version}', line]).catch(() => undefined);
  const { size, mtimeMs } = statSync(archive);
  const byHand = `${line.replace('linux-source-', '')}-by-hand-${size}-${Math.trunc(mtimeMs)}`;
  const version = asked?.code === 0 && asked.stdout !== '' ? asked.stdout.trim() : byHand;
  return { line, version, unpack: (target) => unpackOnce(archive, target) };
}

/** From a suite that the machine's apt need not know, by lists of its own; undefined, which is said, where that suite is out of reach. */
async function newest(folder: string): Promise<LinuxSource | undefined> {
  const mirror = await mirrorOfDebian();
  if (mirror === undefined) return undefined;
  const apt = join(folder, 'apt');
  await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
  const signed = existsSync(ARCHIVE_KEYS) ? `[signed-by=${ARCHIVE_KEYS}] ` : '';
  await writeFile(join(apt, 'sources.list'), `deb ${signed}${mirror} ${SUITE} main\n`);
  const options = [
    ...['-o', `Dir::Etc::sourcelist=${apt}/sources.list`, '-o', 'Dir::Etc::sourceparts=/dev/null'],
    ...['-o', `Dir::State::lists=${apt}/lists`, '-o', `Dir::Cache=${apt}`, '-o', 'APT::Sandbox::User=root'],
  ];
  const updated = run([...TIED, 'apt-get', ...options, 'update'], { env: { LC_ALL: 'C' }, timeout: 120_000 });
  const told = await step(`looking for ${SOURCE_PACKAGE} in Debian's ${SUITE}`, updated).catch(() => undefined);
  const source = told?.code === 0 ? await packaged(SOURCE_PACKAGE, options) : undefined;
  if (source === undefined) say(`${SOURCE_PACKAGE} cannot be had here; going on with ${STABLE_PACKAGE}`);
  return source;
}

/** Where the machine's own apt has Debian from. */
async function mirrorOfDebian(): Promise<string | undefined> {
  const asked = ['apt-get', 'indextargets', '--format', '$(REPO_URI) $(LABEL)', 'Created-By: Packages'];
  const { stdout } = await run(asked, { env: { LC_ALL: 'C' } }).catch(() => ({ stdout: '' }));
  return /^(\S+) Debian$/m.exec(stdout)?.[1];
}

async function packaged(line: string, options: readonly string[]): Promise<LinuxSource | undefined> {
  const words = ['apt-cache', ...options, 'policy', line];
  const asked = await run(words, { env: { LC_ALL: 'C' } }).catch(() => undefined);
  const version = /^ {2}Candidate: (\S+)$/m.exec(asked?.stdout ?? '')?.[1];
  if (version === undefined || version === '(none)') return undefined;
  return { line, version, unpack: (folder) => unpackPackage(line, version, options, folder) };
}

async function unpackPackage(line: string, version: string, options: readonly string[], folder: string): Promise<void> {
  if (existsSync(folder)) return;
  const files = `${folder}.package`;
  await rm(files, { recursive: true, force: true });
  await mkdir(files, { recursive: true });
  try {
    await step(
      `downloading ${line} ${version}`,
      output([...TIED, 'apt-get', ...options, 'download', `${line}=${version}`], { cwd: files }),
    );
    const [file = ''] = readdirSync(files);
    await output([...TIED, 'dpkg-deb', '-x', join(files, file), join(files, 'root')]);
    await unpackOnce(join(files, 'root', archiveOf(line)), folder);
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

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { buildLock, cacheDirectory } from './binaries.ts';
import { output, run, TIED } from './exec.ts';
import { lostOptions, withoutModules } from './linux-configuration.ts';
import { type LinuxSource, linuxSource, SOURCE_REMEDY } from './linux-source.ts';
import { say } from './progress.ts';

const CONFIGURATION = join(import.meta.dirname, 'tools', 'linux');
/** For every line of kernels; beside it, what only one of them needs, by its name. */
const FRAGMENT = join(CONFIGURATION, 'fragment.config');
const REPORT_MS = 15_000;
/** Files that a whole build compiles or links, and the minutes that takes on two processors; measured. */
const WHOLE = { files: 2_150, minutes: 6 } as const;
/** What the build needs of the machine, and the Debian package that has it. */
const NEEDED: Readonly<Record<string, string>> = {
  gcc: 'gcc',
  ld: 'binutils',
  make: 'make',
  flex: 'flex',
  bison: 'bison',
  bc: 'bc',
  xz: 'xz-utils',
  perl: 'perl',
};

/**
 * The file of a User-Mode Linux: Debian's kernel, with WireGuard and all that a Kubernetes node needs, as an ordinary
 * program. Built now if none is in the cache, where its folder is named by the source's version, the configuration and the
 * processor's kind, and appears complete or not at all. A build that was cut short is gone on with.
 * @throws Error that says what the machine lacks.
 */
export async function userModeLinux(): Promise<string> {
  if (process.arch !== 'x64')
    throw new Error(`User-Mode Linux exists for x86-64 only, and this is ${process.arch}; use such a machine`);
  const suffix = createHash('sha256')
    .update(JSON.stringify([...configurations(), process.arch]))
    .digest('hex')
    .slice(0, 16);
  return newestBuilt(suffix) ?? buildLocked(suffix);
}

function configurations(): readonly string[] {
  const names = readdirSync(CONFIGURATION).filter((name) => name.endsWith('.config'));
  return names.sort().map((name) => readFileSync(join(CONFIGURATION, name), 'utf8'));
}

/** What was built is used, whatever can be had meanwhile: it need only be a kernel, not the newest one. */
function newestBuilt(suffix: string): string | undefined {
  const names = existsSync(folder()) ? readdirSync(folder()) : [];
  const built = names.filter((name) => name.endsWith(`-${suffix}`)).sort(byVersion);
  const newest = built.at(-1);
  return newest === undefined ? undefined : join(folder(), newest, 'linux');
}

function byVersion(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

function folder(): string {
  return join(cacheDirectory(), 'linux');
}

async function buildLocked(suffix: string): Promise<string> {
  const lock = await buildLock();
  try {
    // Somebody else may have built it while we waited.
    const built = newestBuilt(suffix);
    if (built !== undefined) return built;
    await requireCommands();
    const source = await linuxSource(folder());
    if (source === undefined) throw new Error(`there is no source of a kernel to build: ${SOURCE_REMEDY}`);
    const target = join(folder(), `${source.version}-${suffix}`);
    await build(source, fragmentOf(source), target);
    return join(target, 'linux');
  } finally {
    lock.close();
  }
}

function fragmentOf({ line }: LinuxSource): string {
  const own = join(CONFIGURATION, `${line}.config`);
  return [FRAGMENT, own].map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('');
}

async function requireCommands(): Promise<void> {
  const found = await Promise.all(
    Object.keys(NEEDED).map(async (command) => {
      const asked = await run([command, '--version']).catch(() => undefined);
      return asked === undefined ? command : undefined;
    }),
  );
  const missing = found.filter((command) => command !== undefined);
  if (missing.length === 0) return;
  const packages = missing.map((command) => NEEDED[command]).join(' ');
  throw new Error(`building a kernel needs ${missing.join(', ')}: apt-get install -y ${packages}`);
}

async function build(source: LinuxSource, fragment: string, target: string): Promise<void> {
  const work = join(folder(), 'work');
  const tree = join(work, source.version);
  await removeOthers(work, source.version);
  const began = performance.now();
  say(`building Linux ${source.version} as a program; about ${WHOLE.minutes} min on two processors, once`);
  await source.unpack(tree);
  await configure(tree, fragment);
  await compile(tree, source.version);
  const unfinished = join(work, 'finished');
  await mkdir(unfinished, { recursive: true });
  await output(['strip', '-o', join(unfinished, 'linux'), join(tree, 'linux')]);
  await chmod(join(unfinished, 'linux'), 0o755);
  await rename(unfinished, target);
  await rm(work, { recursive: true, force: true });
  say(`built Linux ${source.version} in ${seconds(began)} s`);
}

/** What builds of other sources left: to be called by the holder of the lock. */
async function removeOthers(work: string, version: string): Promise<void> {
  const names = existsSync(work) ? readdirSync(work) : [];
  for (const name of names.filter((each) => each !== version)) {
    await rm(join(work, name), { recursive: true, force: true });
  }
}

async function configure(tree: string, fragment: string): Promise<void> {
  const file = join(tree, '.config');
  await make(tree, ['x86_64_defconfig']);
  await writeFile(file, `${await readFile(file, 'utf8')}${fragment}`);
  await make(tree, ['olddefconfig']);
  await writeFile(file, withoutModules(await readFile(file, 'utf8')));
  await make(tree, ['olddefconfig']);
  const lost = lostOptions(fragment, await readFile(file, 'utf8'));
  if (lost.length > 0) throw new Error(`this kernel does not take ${lost.join(', ')}; correct ${FRAGMENT}`);
}

async function compile(tree: string, version: string): Promise<void> {
  const began = performance.now();
  let files = 0;
  const tell = () => say(`building Linux ${version}: ${files} of at most ${WHOLE.files} files, ${seconds(began)} s`);
  const report = setInterval(tell, REPORT_MS);
  try {
    await make(tree, [`-j${availableParallelism()}`, 'linux'], (text) => {
      // One line per file, beginning with what is done to it; other lines are not indented so.
      files += text.match(/^ {2}[A-Z]+ /gm)?.length ?? 0;
    });
  } finally {
    clearInterval(report);
  }
}

async function make(
  tree: string,
  words: readonly string[],
  onOutput: (text: string) => void = () => {},
): Promise<void> {
  await output([...TIED, 'make', 'ARCH=um', ...words], { cwd: tree, env: { LC_ALL: 'C' }, onOutput });
}

function seconds(began: number): number {
  return Math.round((performance.now() - began) / 1000);
}

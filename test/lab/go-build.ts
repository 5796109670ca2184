import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { output, run, TIED } from './exec.ts';
import type { GoToolChain } from './go-tool-chain.ts';
import { say } from './progress.ts';
import type { ToolModule } from './tool-list.ts';

const REPORT_MS = 15_000;
/** The linker strips it anyway (-w); not to make it takes a tenth off a build. */
const WITHOUT_DWARF = '-gcflags=all=-dwarf=false';

/** Builds all commands of a module into a folder, with a progress line every few seconds. */
export async function build(module: ToolModule, source: string, target: string, go: GoToolChain): Promise<void> {
  if (module.cgo) await requireCompiler(module);
  const env = { ...go.env, GOFLAGS: '-mod=readonly -buildvcs=false', CGO_ENABLED: module.cgo ? '1' : '0' };
  const packages = await commandPackages(source, env);
  const tags = module.tags ? ['-tags', module.tags] : [];
  const total = await countPackages(packages, tags, source, env);
  let compiled = 0;
  const began = performance.now();
  const elapsed = () => `${Math.round((performance.now() - began) / 1000)} s`;
  const report = setInterval(
    () => say(`building ${module.title}: ${compiled} of at most ${total} packages, ${elapsed()}`),
    REPORT_MS,
  );
  try {
    // -v names each package that had to be compiled, one per line.
    const flags = ['-v', '-trimpath', WITHOUT_DWARF, ...tags, '-ldflags', module.ldflags, '-o', `${target}/`];
    const onOutput = (text: string) => {
      compiled += text.split('\n').length - 1;
    };
    await output([...TIED, 'go', 'build', ...flags, ...packages], { cwd: source, env, onOutput });
  } finally {
    clearInterval(report);
  }
  for (const [from, to] of Object.entries(module.rename ?? {})) await rename(join(target, from), join(target, to));
  say(`built ${module.title} in ${elapsed()}`);
}

type Environment = Readonly<Record<string, string>>;

/** The module's `tool` lines. */
async function commandPackages(source: string, env: Environment): Promise<readonly string[]> {
  const parsed = JSON.parse(await output(['go', 'mod', 'edit', '-json'], { cwd: source, env })) as {
    readonly Tool: readonly { readonly Path: string }[];
  };
  return parsed.Tool.map(({ Path }) => Path);
}

async function countPackages(
  packages: readonly string[],
  tags: readonly string[],
  cwd: string,
  env: Environment,
): Promise<number> {
  const listed = await output(['go', 'list', '-deps', ...tags, ...packages], { cwd, env });
  return listed.trim().split('\n').length;
}

async function requireCompiler(module: ToolModule): Promise<void> {
  const checks = [
    ['gcc', '--version'],
    ['pkg-config', '--exists', 'libseccomp'],
  ] as const;
  for (const argv of checks) {
    const found = await run(argv).catch(() => undefined);
    if (found?.code === 0) continue;
    throw new Error(
      `building ${module.title} needs a C compiler, pkg-config and libseccomp's headers: apt-get install -y gcc libc6-dev pkg-config libseccomp-dev`,
    );
  }
}

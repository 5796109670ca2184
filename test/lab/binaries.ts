import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { build } from './go-build.ts';
import { GO_LINE, type GoToolChain, goToolChain } from './go-tool-chain.ts';
import { poll, say } from './progress.ts';
import { tryLock } from './record.ts';
import { TOOL_MODULES, type ToolModule } from './tool-list.ts';

/** Built commands. */
export interface Tools {
  /** The file of a command. @throws Error if it is not among those that were asked for. */
  path(command: string): string;
  /** The folder that holds a module's commands. */
  folder(module: string): string;
  /** A PATH with all of them before the machine's own. */
  readonly searchPath: string;
}

/** The folder for what is costly to make and safe to delete. */
export function cacheDirectory(): string {
  const { SALLYPORT_CACHE, XDG_CACHE_HOME } = process.env;
  return SALLYPORT_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sallyport');
}

/**
 * The lab's commands, built now if they are not in the cache. A built module's folder is named by a hash of all that
 * went into it, and appears complete or not at all. kube-apiserver, etcd and kubectl come from KUBEBUILDER_ASSETS
 * if that is set.
 */
export async function labTools(modules: readonly ToolModule[] = TOOL_MODULES): Promise<Tools> {
  const assets = assetsFolder();
  const wanted = modules.filter(({ folder }) => !(assets && folder === 'etcd'));
  const plans = planBuilds(wanted);
  const missing = () => plans.filter(({ target }) => !existsSync(target));
  if (missing().length > 0) {
    const lock = await buildLock();
    await removeUnfinished();
    // Somebody else may have built them while we waited.
    await buildAll(missing(), await goToolChain());
    lock.close();
  }
  return toolsIn(plans, assets);
}

interface BuildPlan {
  readonly module: ToolModule;
  readonly target: string;
}

/** Needs no Go: what is built already serves a machine without it. */
function planBuilds(modules: readonly ToolModule[]): readonly BuildPlan[] {
  return modules.map((module) => {
    const source = join(import.meta.dirname, 'tools', module.folder);
    // What people read of it makes no other program.
    const { title: _, minutes: __, ...built } = module;
    const hash = createHash('sha256').update(JSON.stringify([built, GO_LINE, process.arch]));
    const own = globSync('*.go', { cwd: source }).sort();
    for (const file of ['go.mod', 'go.sum', ...own]) hash.update(readFileSync(join(source, file)));
    const key = hash.digest('hex').slice(0, 16);
    return { module, target: join(cacheDirectory(), 'tools', `${module.folder}-${key}`) };
  });
}

async function buildAll(plans: readonly BuildPlan[], go: GoToolChain): Promise<void> {
  for (const [index, { module, target }] of plans.entries()) {
    const rest = plans.slice(index + 1).map((plan) => plan.module);
    const minutes = [module, ...rest].reduce((sum, each) => sum + each.minutes, 0);
    const after = rest.length > 0 ? `; then ${rest.map(({ title }) => title).join(', ')}` : '';
    say(
      `building ${module.title} (${index + 1} of ${plans.length}); at most about ${Math.ceil(minutes)} min for all${after}`,
    );
    const unfinished = `${target}.${process.pid}`;
    await mkdir(unfinished, { recursive: true });
    try {
      await build(module, join(import.meta.dirname, 'tools', module.folder), unfinished, go);
      await rename(unfinished, target);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }
}

/** What a killed build left: to be called by the holder of the lock, so nobody else is building. */
async function removeUnfinished(): Promise<void> {
  const folder = join(cacheDirectory(), 'tools');
  const names = existsSync(folder) ? await readdir(folder) : [];
  for (const name of names.filter((each) => each.includes('.'))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Waits for the right to build into the cache, which one process has at a time and loses when it ends. */
export async function buildLock(): Promise<{ close(): void }> {
  const name = `build/${cacheDirectory()}`;
  const first = await tryLock(name);
  if (first) return first;
  say('another process builds the lab’s programs; waiting for it');
  return poll('the other build', () => tryLock(name), { timeout: 60 * 60_000, interval: 500 });
}

function assetsFolder(): string | undefined {
  const folder = process.env.KUBEBUILDER_ASSETS;
  if (!folder) return undefined;
  const lacking = ['kube-apiserver', 'etcd', 'kubectl'].filter((command) => !existsSync(join(folder, command)));
  if (lacking.length > 0)
    throw new Error(`KUBEBUILDER_ASSETS is ${folder}, but there is no ${lacking.join(', ')} in it`);
  return folder;
}

function toolsIn(plans: readonly BuildPlan[], assets: string | undefined): Tools {
  const folders = [...(assets ? [assets] : []), ...plans.map(({ target }) => target)];
  return {
    path: (command) => {
      const found = folders.map((folder) => join(folder, command)).find((file) => existsSync(file));
      if (!found) throw new Error(`${command} is not among the lab's programs`);
      return found;
    },
    folder: (name) => {
      const found = plans.find(({ module }) => module.folder === name);
      if (!found) throw new Error(`${name} is not among the lab's modules`);
      return found.target;
    },
    searchPath: [...folders, process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin'].join(':'),
  };
}

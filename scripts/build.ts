import { chmod, readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build as bundle, type Metafile, type Plugin } from 'esbuild';

/**
 * Makes one file of each program: `node scripts/build.ts [PROGRAM…]`, into dist/. The image holds the operator and the agent, the
 * npm package holds the command line.
 */

/** The programs, each with its entry point below the repository's root. */
export const PROGRAMS = {
  operator: { entry: 'src/operator/main.ts', forPeople: false },
  agent: { entry: 'src/agent/main.ts', forPeople: false },
  cli: { entry: 'src/cli/main.ts', forPeople: true },
} as const;

export type Program = keyof typeof PROGRAMS;

export interface Bundle {
  readonly file: string;
  readonly bytes: number;
  /** The folders of the npm packages whose code is in it, each absolute, sorted. */
  readonly packages: readonly string[];
}

const ROOT = join(import.meta.dirname, '..');

/** Some dependencies are CommonJS and call require() for Node's own modules, which an ES module does not have. */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/**
 * Of client-node we use KubeConfig alone, whose module also imports the generated API and undici for a client that we never ask
 * it to make. Left out, a program is 1.1 MB smaller and takes 15 MB less memory; asked for after all, it says so.
 */
const kubeConfigAlone: Plugin = {
  name: 'kube-config-alone',
  setup(build) {
    const unused = { filter: /^(undici|\.\/gen\/index\.js|\.\/middleware\.js)$/ };
    build.onResolve(unused, ({ path, importer }) =>
      /client-node\/dist\/config\.js$/.test(importer) ? { path, namespace: 'unused' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({ contents: unusedModule(path) }));
  },
};

/**
 * Of the metrics' library we use counters, gauges and histograms. What else its one module loads, among it all of OpenTelemetry's interface
 * and channels between workers that are opened at once, is three quarters of it.
 */
const metricsAlone: Plugin = {
  name: 'metrics-alone',
  setup(build) {
    const unused = { filter: /^\.\/lib\/(cluster|worker|pushgateway|defaultMetrics|summary)$/ };
    build.onResolve(unused, ({ path, importer }) =>
      /@prometheus-io\/client\/index\.js$/.test(importer) ? { path, namespace: 'empty' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = undefined;' }));
  },
};

const UNUSED = ['Agent', 'ProxyAgent', 'ServerConfiguration', 'createConfiguration', 'setHeaderMiddleware'];

function unusedModule(path: string): string {
  const says = JSON.stringify(`${path} is not part of this program (scripts/build.ts)`);
  return UNUSED.map((name) => `export function ${name}() { throw new Error(${says}); }`).join('\n');
}

/**
 * Imported as an ES module, one of Node's own modules has every getter of it called for its list of exports, so that `node:util` loads
 * a TextDecoder and `node:crypto` all of Web Crypto: a third of what a short command takes. Asked for by name it does not.
 */
const builtinsAsTheyAre: Plugin = {
  name: 'builtins-as-they-are',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/**
 * Bundles one program, with every dependency, into `<folder>/<program>.mjs`. One for people starts often and does little at a time, so what it
 * imports only when asked stands in files of its own, in `<folder>/<program>/`.
 */
export async function buildProgram(program: Program, folder: string, root: string = ROOT): Promise<Bundle> {
  const { entry, forPeople } = PROGRAMS[program];
  const file = join(folder, `${program}.mjs`);
  await rm(join(folder, program), { recursive: true, force: true });
  const { metafile } = await bundle({
    metafile: true,
    absWorkingDir: root,
    entryPoints: { [program]: join(root, entry) },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: `${program}/[name]-[hash]`,
    bundle: true,
    splitting: forPeople,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    // Names stay, for the stack traces in logs.
    minifySyntax: true,
    minifyWhitespace: true,
    define: { SALLYPORT_VERSION: JSON.stringify(await versionOf(root)) },
    banner: { js: forPeople ? `#!/usr/bin/env node\n${REQUIRE}` : REQUIRE },
    plugins: [kubeConfigAlone, metricsAlone, ...(forPeople ? [builtinsAsTheyAre] : [])],
    logLevel: 'warning',
  });
  if (forPeople) await chmod(file, 0o755);
  return { file, bytes: (await stat(file)).size, packages: packagesIn(metafile, root) };
}

function packagesIn({ outputs }: Metafile, root: string): readonly string[] {
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs));
  const folders = inputs.flatMap(([file, { bytesInOutput }]) =>
    bytesInOutput === 0 ? [] : (/^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file) ?? []),
  );
  return [...new Set(folders)].sort().map((folder) => resolve(root, folder));
}

async function versionOf(root: string): Promise<string> {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8')).version;
}

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !Object.hasOwn(PROGRAMS, name));
  if (unknown.length > 0)
    throw new Error(`no program is called ${unknown.join(', ')}; there are ${Object.keys(PROGRAMS).join(', ')}`);
  const wanted = (names.length > 0 ? names : Object.keys(PROGRAMS)) as readonly Program[];
  for (const program of wanted) {
    const { file, bytes } = await buildProgram(program, join(ROOT, 'dist'));
    console.log(`${file.slice(ROOT.length + 1)}  ${Math.round(bytes / 1024)} KiB`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));

import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { expect, test } from 'vitest';
import { inProject } from '../scripts/support/paths.ts';

/** What a layer may import besides itself: other layers and modules. `why` is what a breach would cost. */
interface Layer {
  readonly layers: readonly string[];
  readonly modules: RegExp;
  readonly why: string;
}

const pure = 'it is pure: the same input gives the same decision on every node, in every test and in `sallyport plan`';
const door = 'it is one of two doors to the outside: what it decided could not be tested without a cluster or a kernel';
const program = 'programs wire layers together and never import each other';
const LAYERS: Readonly<Record<string, Layer>> = {
  api: { layers: ['net'], modules: /^zod$/, why: pure },
  net: { layers: [], modules: /^node:(net|crypto)$/, why: pure },
  dataplane: { layers: ['net'], modules: /^$/, why: pure },
  mesh: { layers: ['api', 'net', 'dataplane'], modules: /^$/, why: pure },
  laptop: { layers: ['api', 'net', 'mesh'], modules: /^(zod(\/mini)?|uqr)$/, why: pure },
  k8s: { layers: ['api'], modules: /^(@kubernetes\/client-node.*|node:(?!child_process).*)$/, why: door },
  host: { layers: ['dataplane', 'net'], modules: /^node:.*$/, why: door },
  runtime: {
    layers: [],
    modules: /^(pino|@prometheus-io\/client|node:(?!child_process).*)$/,
    why: 'it knows programs, not meshes',
  },
  usermode: { layers: ['net'], modules: /^(@noble\/.*|node:(crypto|events|dgram))$/, why: 'laptops will run it alone' },
  operator: {
    layers: ['api', 'net', 'mesh', 'k8s', 'runtime'],
    modules: /^(yaml|zod|node:(?!child_process).*)$/,
    why: program,
  },
  agent: {
    layers: ['api', 'net', 'mesh', 'dataplane', 'k8s', 'host', 'usermode', 'runtime'],
    modules: /^(yaml|zod|node:(?!child_process).*)$/,
    why: program,
  },
  cli: {
    layers: ['api', 'net', 'mesh', 'dataplane', 'laptop', 'k8s', 'host', 'usermode', 'runtime'],
    modules: /^(commander|yaml|zod(\/mini)?|node:(?!child_process).*)$/,
    why: program,
  },
};

/** What no pure layer may say, and what to do instead. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)|(?<!new )\bDate\(|\bperformance\./, 'take the time as an argument'],
  [/\bMath\.random\b|\brandom(Bytes|UUID|Int|FillSync)\b|\bgetRandomValues\b/, 'take random bytes as an argument'],
  [/\bconsole\./, 'return what is to be said'],
  [/\bprocess\.(?=[a-z])|\bglobalThis\b/, 'take it as an argument'],
  [/\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, 'return when to come again'],
  [/\bfetch\(|\bWebSocket\b|\bawait\b|\basync\b/, 'let an I/O layer fetch, and decide on what it brings'],
];

const files = globSync('src/**/*.ts', { cwd: inProject() }).sort();

test.each(files)('%s keeps to its layer', (file) => {
  const own = layerOf(file);
  const { layers, modules, why } = LAYERS[own] ?? { layers: [], modules: /^$/, why: 'it is in no known layer' };
  for (const imported of importsOf(file)) {
    const other = imported.startsWith('.') ? layerOf(join(dirname(file), imported)) : undefined;
    const isAllowed = other === undefined ? modules.test(imported) : other === own || layers.includes(other);
    expect(isAllowed, `${file} may not import ${imported}: ${why}`).toBe(true);
  }
});

test.each(files.filter((file) => LAYERS[layerOf(file)]?.why === pure))('%s is pure', (file) => {
  for (const [pattern, instead] of BANNED)
    expect(pattern.exec(codeOf(file))?.[0], `${file} is in a pure layer: ${instead}`).toBeUndefined();
});

test('zod is imported as a namespace, of which a bundle holds what is used and not all, which costs each start of the program', () => {
  expect(files.filter((file) => /^import \{[^}]*\bz\b[^}]*\} from 'zod'/m.test(codeOf(file)))).toEqual([]);
});

test('the library of the metrics is in one file, and in no program for people', () => {
  const users = files.filter((file) => importsOf(file).includes('@prometheus-io/client'));
  expect(users).toEqual(['src/runtime/metrics.ts']);
  const programs = files.filter((file) => importsOf(file).some((path) => path.endsWith('/runtime/metrics.ts')));
  expect([...new Set(programs.map(layerOf))].sort()).toEqual(['agent', 'operator']);
});

test('only the shell of the user-mode client opens sockets', () => {
  const users = files.filter((file) => file.startsWith('src/usermode/') && importsOf(file).includes('node:dgram'));
  expect(users.filter((file) => !/-(socket|tunnel)\.ts$/.test(file))).toEqual([]);
});

/** The folder below src/ that a file of the project is in; empty for files elsewhere. */
function layerOf(path: string): string {
  const [top, layer = ''] = path.split('/');
  return top === 'src' ? layer : '';
}

function importsOf(file: string): readonly string[] {
  const pattern = /^(?:import|export)\s(?:[^'"=;]*\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/gm;
  return [...codeOf(file).matchAll(pattern)].map(([, fixed, dynamic]) => fixed ?? dynamic ?? '');
}

/** The file without its comments. */
function codeOf(file: string): string {
  return readFileSync(inProject(file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

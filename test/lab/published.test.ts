import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { inProject } from '../../scripts/support/paths.ts';
import { otherNode } from './other-node.ts';

/** The oldest that the package promises to run on, and the project's own. */
const VERSIONS = ['22.19.0', process.versions.node];

let folder: string;
let tarball: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-published-'));
  // After what the build says comes the name of the file.
  const said = npm(inProject(), 'pack', '--silent', '--pack-destination', folder);
  tarball = join(folder, said.trim().split('\n').at(-1) ?? '');
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function npm(cwd: string, ...words: readonly string[]): string {
  return execFileSync('npm', words, {
    cwd,
    encoding: 'utf8',
    env: nodeFirst(process.execPath),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function nodeFirst(node: string): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [dirname(node), process.env.PATH].join(delimiter) };
}

test('the package holds the program, its licence and a word about it, and nothing else', () => {
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  const known = /^package\/(LICENSE|README\.md|package\.json|dist\/cli\.mjs|dist\/cli\/[\w-]+\.mjs)$/;
  expect(files.filter((file) => !known.test(file))).toEqual([]);
  expect(files).toContain('package/dist/cli.mjs');
});

test('krew finds in it what its manifest names', () => {
  const { spec } = parse(readFileSync(inProject('manifests/krew.yaml'), 'utf8'));
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  const [{ bin, files: moved }] = spec.platforms;
  expect(files).toContain(`${moved[0].from.replace('*', '')}${bin}`);
  expect(files).toContain(moved[1].from);
});

describe.each(VERSIONS)('on Node %s', (version) => {
  let node: string;

  beforeAll(async () => {
    node = version === process.versions.node ? process.execPath : await otherNode(version);
  }, 300_000);

  test('npx runs it from the package alone: nothing else is fetched', () => {
    const home = mkdtempSync(join(folder, 'home-'));
    const env = { ...nodeFirst(node), HOME: home, XDG_CONFIG_HOME: undefined };
    const words = ['exec', '--offline', '--yes', `--package=${tarball}`, '--', 'sallyport', 'list'];
    const said = execFileSync('npm', words, { cwd: home, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    expect(said).toBe('no profiles; join the cluster of your kubeconfig with: sallyport join\n');
  });

  test('installed it answers as sallyport and as a plugin of kubectl', () => {
    const prefix = mkdtempSync(join(folder, 'prefix-'));
    npm(prefix, 'install', '--offline', '--prefix', prefix, tarball);
    for (const name of ['sallyport', 'kubectl-sallyport']) {
      const file = join(prefix, 'node_modules/.bin', name);
      expect(execFileSync(file, ['--version'], { env: nodeFirst(node), encoding: 'utf8' })).toBe(`${own().version}\n`);
    }
  });
});

function own(): { readonly version: string } {
  return JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
}

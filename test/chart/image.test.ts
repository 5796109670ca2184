import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { imageContents } from '../../image/contents.ts';
import { inProject } from '../../scripts/support/paths.ts';

const contents = imageContents();
const names = contents.executables.map(({ name }) => name);
const dockerfile = readFileSync(inProject('Dockerfile'), 'utf8');

describe("the image's list of contents", () => {
  test('is sorted and names each package once', () => {
    expect(contents.packages).toEqual([...new Set(contents.packages)].sort());
  });

  test('has a package for every program but the base image’s, and a program for every package', () => {
    const packages = contents.executables.flatMap((executable) => executable.package ?? []);
    expect([...new Set(packages)].sort()).toEqual(contents.packages);
    expect(contents.executables.filter((executable) => executable.package === null)).toMatchObject([{ name: 'node' }]);
  });

  test('names every program that a node is moved with, and no other', () => {
    const sources = ['src/host', 'src/dataplane'].flatMap((folder) =>
      globSync(`${folder}/**/*.ts`, { cwd: inProject() }).map((file) => readFileSync(inProject(file), 'utf8')),
    );
    const calls = sources.flatMap((source) => [
      ...source.matchAll(/\b(?:run|start|monitor|push)\((?:\w+, )?\[\s*'([a-z][\w-]*)',/g),
    ]);
    const executed = new Set(calls.map(([, name]) => name));
    expect([...executed].filter((name) => !names.includes(name ?? ''))).toEqual([]);
    const said = (name: string) => sources.some((source) => source.includes(`['${name}', `));
    expect(names.filter((name) => name !== 'node' && !said(name))).toEqual([]);
  });

  test('is what image/README.md explains', () => {
    const readme = readFileSync(inProject('image/README.md'), 'utf8');
    const explained = [...readme.matchAll(/^\| `([^`]+)` +\| `?([^`|]+?)`? +\| .+ \|$/gm)].map(([, name, from]) => [
      name,
      from,
    ]);
    expect(explained).toEqual([
      ...contents.files.map(({ target }) => [target, 'npm run build']),
      ...contents.executables.map((executable) => [executable.name, executable.package ?? 'the base image']),
    ]);
  });
});

describe('the Dockerfile', () => {
  test('installs the packages of the list and no other', () => {
    expect(dockerfile.match(/apt-get install[^\n\\]*/g)).toEqual(['apt-get install --yes --no-install-recommends ']);
    expect(dockerfile).toContain('xargs --arg-file=/packages.txt apt-get install');
    expect(dockerfile).toContain('source=image/packages.txt,target=/packages.txt');
  });

  test('copies the bundles and nothing else into the image', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    const copied = [...last.matchAll(/^(?:COPY|ADD) (.*)$/gm)].map(([, words]) => words);
    const sources = contents.files.map(({ source }) => `/source/${source}`).join(' ');
    expect(copied).toEqual([`--from=bundles ${sources} /app/`]);
    expect(contents.files.map(({ target }) => target)).toEqual(
      contents.files.map(({ source }) => source.replace('dist/', '/app/')),
    );
  });

  test('runs as nobody in particular', () => {
    expect(dockerfile.match(/^USER .*$/gm)).toEqual([`USER ${contents.user}`]);
  });

  test('takes its base from outside, so that a release can pin it', () => {
    expect(dockerfile).toMatch(/^ARG NODE_IMAGE=node:24-trixie-slim$/m);
    expect(dockerfile.match(/^FROM .*$/gm)?.filter((line) => !/ \$\{NODE_IMAGE\}( |$)/.test(line))).toEqual([]);
  });

  test('is given all that it copies', () => {
    const admitted = readFileSync(inProject('.dockerignore'), 'utf8')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(
      ([, words]) => words?.split(' ') ?? [],
    );
    expect([...copied, 'image/packages.txt'].filter((path) => !admitted.includes(path))).toEqual([]);
  });
});

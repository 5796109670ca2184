import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { IMAGE_COMMAND, IMAGE_ENVIRONMENT, imageContents } from '../../image/contents.ts';
import { ownersIn } from '../../image/debian.ts';
import { librariesIn } from '../../image/entries.ts';
import { inProject } from '../../scripts/support/paths.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { agentPod, leavingPod } from '../../src/operator/agent-pod.ts';
import { parseOperatorConfig } from '../../src/operator/config.ts';
import { documents } from '../scripts/markdown.ts';

const contents = imageContents();
const names = contents.executables.map(({ name }) => name);
const dockerfile = readFileSync(inProject('Dockerfile'), 'utf8');
const GATEWAY = { apiVersion: 'sallyport.dev/v1alpha1', kind: 'MeshGateway', metadata: { name: 'default' }, spec: {} };

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
      ...contents.files.map(({ source, target }) => [target, source.startsWith('dist/') ? 'npm run build' : source]),
      ...contents.executables.map((executable) => [executable.name, executable.package ?? 'the base image']),
    ]);
  });

  test('gives the user that it runs as a name', () => {
    const [uid, gid] = contents.user.split(':');
    const idsIn = (file: string) =>
      readFileSync(inProject('image', file), 'utf8')
        .split('\n')
        .map((line) => line.split(':'))
        .filter(([name]) => name === 'sallyport')
        .map((fields) => fields.slice(2, 4));
    expect(idsIn('passwd')).toEqual([[uid, gid]]);
    expect(idsIn('group')).toEqual([[gid, '']]);
  });
});

describe('nobody asks for a shell,', () => {
  const templates = globSync('charts/sallyport/templates/**/*.{yaml,tpl}', { cwd: inProject() }).map((file) =>
    readFileSync(inProject(file), 'utf8'),
  );

  test('neither a container of the chart', () => {
    const commands = templates.flatMap((text) => text.match(/\bcommand: .*$/gm) ?? []);
    expect(commands.length).toBeGreaterThan(1);
    expect(commands.filter((command) => !command.startsWith('command: [node, /app/operator.mjs, '))).toEqual([]);
    expect(templates.filter((text) => /\b(args|exec|lifecycle):/.test(text))).toEqual([]);
  });

  test('nor an agent', () => {
    const [gateway, agent] = [
      meshGatewayType.parse(GATEWAY),
      parseOperatorConfig('{agent: {image: "example.test/x:1"}}'),
    ];
    if (!agent.ok) throw new Error(agent.problem);
    const pods = [agentPod(gateway, agent.value.agent), leavingPod(gateway, agent.value.agent, 'node-1')];
    expect(pods.flatMap(({ containers }) => containers.map(({ command }) => command))).toEqual([
      ['node', '/app/agent.mjs'],
      ['node', '/app/agent.mjs', 'leave'],
    ]);
    expect(JSON.stringify(pods)).not.toMatch(/"(args|exec|lifecycle|initContainers)":/);
  });

  test('nor a command in a document', () => {
    const asked = documents().flatMap(({ text }) => text.match(/kubectl .*\bexec\b.*$/gm) ?? []);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.filter((line) => !names.some((name) => line.includes(` -- ${name} `)))).toEqual([]);
  });

  test('nor the checks of a pull request, which start each program', () => {
    const started = readFileSync(inProject('.github/workflows/ci.yml'), 'utf8').match(/^ +docker run .*$/gm) ?? [];
    expect(started.map((line) => line.trim())).toEqual(
      contents.executables.map(({ name, version }) => ['docker run --rm sallyport:ci', name, ...version].join(' ')),
    );
  });
});

describe('what a program loads', () => {
  test('is each library with a file, and the loader', () => {
    const printed = `\tlinux-vdso.so.1 (0x00007f5d7c53a000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5d7c32d000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f5d7c53c000)\n`;
    expect(librariesIn(printed, 'wg')).toEqual(['/lib/x86_64-linux-gnu/libc.so.6', '/lib64/ld-linux-x86-64.so.2']);
  });

  test('is nothing for a static program', () => {
    expect(librariesIn('\tnot a dynamic executable\n', 'wireguard-go')).toEqual([]);
  });

  test('must be there', () => {
    const printed = '\tlibmnl.so.0 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n';
    expect(() => librariesIn(printed, 'nft')).toThrow('nft needs libmnl.so.0, which is not there');
  });
});

test.each([
  ['a package', 'nftables: /usr/sbin/nft\n', ['nftables']],
  ['one of an architecture', 'libstdc++6:amd64: /usr/lib/x86_64-linux-gnu/libstdc++.so.6\n', ['libstdc++6:amd64']],
  ['the first of several', 'zlib1g:amd64, zlib1g:i386: /usr/share/doc/zlib1g\nwg: /bin/wg\n', ['wg', 'zlib1g:amd64']],
  ['nobody by a diversion', 'diversion by dash from: /bin/sh\n', []],
  ['each once', 'libc6:amd64: /lib/libc.so.6\nlibc6:amd64: /lib/libm.so.6\n', ['libc6:amd64']],
])('a file is of %s, as dpkg tells it', (_, printed, owners) => {
  expect(ownersIn(printed)).toEqual(owners);
});

describe('the Dockerfile', () => {
  const stages = dockerfile.split(/^(?=FROM )/m).slice(1);
  const last = stages.at(-1) ?? '';

  test('installs the packages of the list and no other', () => {
    expect(dockerfile.match(/apt-get install[^\n\\]*/g)).toEqual(['apt-get install --yes --no-install-recommends']);
    expect(dockerfile).toContain('xargs --arg-file=/packages.txt apt-get install');
    expect(dockerfile).toContain('source=image/packages.txt,target=/packages.txt');
  });

  test('ends with nothing but what the list and the packages make together', () => {
    expect(last.trim().split('\n')).toEqual([
      'FROM scratch',
      'COPY --from=collected /image /',
      `ENV ${Object.entries(IMAGE_ENVIRONMENT)
        .map((pair) => pair.join('='))
        .join(' ')}`,
      `USER ${contents.user}`,
      'WORKDIR /app',
      `CMD ${JSON.stringify(IMAGE_COMMAND).replaceAll(',', ', ')}`,
    ]);
    expect(stages.at(-2)?.trim().split('\n').at(-1)).toBe(
      'RUN --mount=type=bind,from=installed,target=/installed,rw node image/assemble.ts /installed /image',
    );
  });

  test('runs nothing of ours in an emulator, only packages for the platform and what they install', () => {
    const emulated = stages.filter((stage) => /^FROM \$\{NODE_IMAGE\}/.test(stage));
    expect(emulated.map((stage) => / AS (\w+)$/m.exec(stage)?.[1])).toEqual(['installed']);
    expect(emulated.join('')).not.toMatch(/\b(node|npm) /);
  });

  test('takes its base from outside, so that a release can pin it', () => {
    expect(dockerfile).toMatch(/^ARG NODE_IMAGE=node:24-trixie-slim$/m);
    const bases = dockerfile.match(/^FROM .*$/gm)?.filter((line) => !/ \$\{NODE_IMAGE\}( |$)/.test(line));
    expect(bases).toEqual(['FROM scratch']);
  });

  test('is given all that it copies', () => {
    const admitted = readFileSync(inProject('.dockerignore'), 'utf8')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(
      ([, words]) => words?.split(' ') ?? [],
    );
    expect(copied).toContain('image');
    expect(copied.filter((path) => !admitted.includes(path))).toEqual([]);
  });
});

import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageContents } from '../../image/contents.ts';
import { buildProgram } from '../../scripts/build.ts';
import { inProject } from '../../scripts/support/paths.ts';
import { type Commands, createCommands } from '../../src/host/exec.ts';
import { labTools, type Tools } from '../lab/binaries.ts';
import { output, run } from '../lab/exec.ts';
import { sallyportImage } from '../lab/sallyport-image.ts';
import { TOOL_MODULES } from '../lab/tool-list.ts';
import { because } from '../support/because.ts';
import { missing } from './machine.ts';
import { Namespace } from './namespace.ts';

const { executables, user } = imageContents();
const PROGRAMS = executables.map(({ name }) => name);

let folder: string;
let root: string;
let said: string;
let tools: Tools;

beforeAll(async () => {
  if (missing !== undefined) return;
  tools = await labTools(TOOL_MODULES.filter((module) => module.folder === 'wireguard-go'));
  folder = await mkdtemp(join(tmpdir(), 'sallyport-image-'));
  root = join(folder, 'root');
  said = await asTheDockerfileSays(join(folder, 'source'));
}, 120_000);

afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** Does what the Dockerfile's last stage but one does, with this machine's programs: what it is given, and the command that makes the image of it. */
async function asTheDockerfileSays(source: string): Promise<string> {
  const stage = readFileSync(inProject('Dockerfile'), 'utf8')
    .split(/^(?=FROM )/m)
    .at(-2);
  for (const [, name = ''] of (stage ?? '').matchAll(/^COPY (?!--from)(\S+) \S+$/gm))
    await cp(inProject(name), join(source, name), { recursive: true });
  for (const program of ['operator', 'agent'] as const) await buildProgram(program, join(source, 'dist'));
  const [, command = ''] = /^RUN (?:--mount=\S+ )(node .*)$/m.exec(stage ?? '') ?? [];
  const here: Readonly<Record<string, string>> = { '/installed': '/', '/image': root };
  const argv = command.split(' ').map((word) => here[word] ?? word);
  const path = [tools.folder('wireguard-go'), dirname(process.execPath), tools.searchPath];
  return output(argv, { cwd: source, env: { PATH: path.join(delimiter) } });
}

describe.skipIf(missing)(`the image${because(missing)}`, () => {
  test('has every program of the list, which starts where there is nothing but the image', () => {
    expect(said.split('\n').flatMap((line) => line.split(':')[0] || [])).toEqual(PROGRAMS);
  });

  test('has no other program: no shell and no package manager', async () => {
    const listed = await output(['find', root, '-type', 'f', '-perm', '/111', '-printf', '/%P\n']);
    const programs = listed.split('\n').filter((file) => file !== '' && !/^\/lib(64)?\/.*\.so(\.\d+)*$/.test(file));
    expect(programs.sort()).toEqual(PROGRAMS.map((name) => `/usr/bin/${name}`).sort());
  });

  test('has nothing that gives rights to whoever starts it, or that others may write', async () => {
    expect(await output(['find', root, '-perm', '/6000', '-o', '-perm', '/022', '!', '-type', 'l'])).toBe('');
  });

  test('names for scanners the packages of the libraries, and nothing else that dpkg knows', async () => {
    const known = await readdir(join(root, 'var/lib/dpkg/status.d'));
    expect(known).toEqual(expect.arrayContaining(['libc6', 'nftables', 'wireguard-tools']));
    for (const name of known) {
      const entry = await readFile(join(root, 'var/lib/dpkg/status.d', name), 'utf8');
      expect(entry).toMatch(new RegExp(`^Package: ${name.replaceAll('+', '\\+')}\n(.*\n)*Version: \\d`));
    }
    expect(await readdir(join(root, 'var/lib/dpkg'))).toEqual(['status.d']);
    expect(await readFile(join(root, 'etc/os-release'), 'utf8')).toMatch(/^ID=/m);
  });

  test.each([
    ['operator', { code: 2, stderr: expect.stringContaining('usage: operator run') }],
    ['agent', { code: 1, stdout: expect.stringContaining('the environment lacks KUBERNETES_SERVICE_HOST') }],
  ])('has an %s that runs in it, as its user', async (program, ending) => {
    const argv = ['chroot', `--userspec=${user}`, root, '/usr/bin/node', `/app/${program}.mjs`];
    expect(await run(argv, { env: { KUBERNETES_SERVICE_HOST: '' } })).toMatchObject(ending);
  });

  test('is file by file what the nodes of the lab run', async () => {
    const archive = join(folder, 'archive');
    const layers = join(folder, 'layers');
    for (const made of [archive, layers]) await mkdir(made);
    await output(['tar', '-xf', await sallyportImage(tools), '-C', archive]);
    for (const layer of await layersIn(archive)) await output(['tar', '-xf', layer, '-C', layers]);
    expect(await run(['diff', '-r', '--no-dereference', root, layers])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await modesIn(layers)).toEqual(await modesIn(root));
  }, 90_000);
});

/** The layers of an image in the layout of OCI, in their order. */
async function layersIn(archive: string): Promise<readonly string[]> {
  const blob = (digest: string) => join(archive, 'blobs', digest.replace(':', '/'));
  const json = async (file: string) => JSON.parse(await readFile(file, 'utf8'));
  const { manifests } = await json(join(archive, 'index.json'));
  const { layers } = await json(blob(manifests[0].digest));
  return layers.map(({ digest }: { readonly digest: string }) => blob(digest));
}

async function modesIn(tree: string): Promise<readonly string[]> {
  return (await output(['find', tree, '-type', 'f', '-printf', '%P %m\n'])).split('\n').sort();
}

describe.skipIf(missing)(`the image's programs, where there is nothing but the image${because(missing)}`, () => {
  let namespace: Namespace;
  let inside: Commands;
  beforeAll(async () => {
    if (missing !== undefined) return;
    namespace = await Namespace.create();
    // Where something is mounted, the kubelet makes the folder.
    for (const mount of ['dev', 'run']) {
      await mkdir(join(root, mount));
      await namespace.run(`mount --rbind /${mount} ${join(root, mount)}`);
    }
    inside = createCommands([...namespace.enter, 'chroot', root]);
  });
  afterAll(async () => {
    await namespace?.dispose();
  });

  test('make links, addresses and routes', async () => {
    await inside.run(['ip', 'link', 'add', 'one', 'type', 'bridge']);
    await inside.run(['ip', 'address', 'add', '10.9.0.1/24', 'dev', 'one']);
    await inside.run(['ip', 'link', 'set', 'one', 'up']);
    const routes = JSON.parse(await inside.run(['ip', '-j', 'route', 'show', 'table', 'all', 'dev', 'one']));
    expect(routes).toContainEqual(expect.objectContaining({ dst: '10.9.0.0/24', protocol: 'kernel' }));
  });

  test('make a table of nftables, and say what is in it', async () => {
    const file = join(folder, 'table.nft');
    await writeFile(
      file,
      'table inet sallyport {\n  chain forward {\n    type filter hook forward priority 0;\n    tcp dport 80 reject with tcp reset\n  }\n}\n',
    );
    await inside.run(['nft', '-f', '-'], { inputFile: file });
    expect(await inside.run(['nft', '-j', 'list', 'table', 'inet', 'sallyport'])).toContain('"tcp reset"');
  });

  test('list connections', async () => {
    expect(await inside.run(['conntrack', '-L', '-s', '10.9.0.0/24', '-o', 'extended'])).toBe('');
  });

  test('serve a WireGuard interface', async () => {
    const running = inside.start(['wireguard-go', '-f', 'sp0']);
    try {
      await expect.poll(() => inside.run(['wg', 'show', 'interfaces']).catch(() => '')).toBe('sp0\n');
      expect(await inside.run(['wg', 'show', 'sp0', 'public-key'])).toBe('(none)\n');
    } finally {
      await running.stop();
    }
  });
});

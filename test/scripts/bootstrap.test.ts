import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';

const NODE_PACKAGE = { version: '24.0.0' };
const WANTED = {
  '': {},
  'node_modules/node': NODE_PACKAGE,
  'node_modules/yaml': { version: '2.0.0' },
  'node_modules/for-another-system': { version: '1.0.0', optional: true },
};
const INSTALLED = { 'node_modules/node': NODE_PACKAGE, 'node_modules/yaml': { version: '2.0.0' } };

/** A project with nothing in it but bootstrap.mjs, two scripts, and programs that write down how they were called. */
let project: string;
const inside = (...path: string[]) => join(project, ...path);

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'sallyport-bootstrap-'));
  await mkdir(inside('scripts/support'), { recursive: true });
  await mkdir(inside('node_modules/.bin'), { recursive: true });
  await cp(inProject('scripts/bootstrap.mjs'), inside('scripts/bootstrap.mjs'));
  const said = "console.log('ran', process.argv.slice(2).join(' '), process.execPath.endsWith('node'));";
  for (const name of ['plain', 'test', 'bench', 'demo'])
    await writeFile(inside(`scripts/${name}.ts`), `${said} process.exitCode = 3;`);
  await writeFile(
    inside('scripts/wait.ts'),
    "process.on('SIGTERM', () => process.exit(7)); console.log('waits'); setInterval(() => {}, 1000);",
  );
  await needs({});
  await mkdir(inside('lists'));
  await writeFile(inside('lists/main_Packages'), '');
  await writeFile(inside('package-lock.json'), JSON.stringify({ packages: WANTED }));
  await installed(INSTALLED);
  await symlink(process.execPath, inside('node_modules/.bin/node'));
  await program(
    'npm.js',
    `require('fs').appendFileSync('${inside('calls')}', 'npm ' + process.argv.slice(2).join(' ') + '\\n');`,
  );
  await program('apt-get', `#!/bin/sh\necho "apt-get $*" >> ${inside('calls')}\n`);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(project, { recursive: true, force: true });
});

async function program(name: string, text: string): Promise<void> {
  await writeFile(inside('node_modules/.bin', name), text, { mode: 0o755 });
}

async function installed(packages: object): Promise<void> {
  await writeFile(inside('node_modules/.package-lock.json'), JSON.stringify({ packages }));
}

async function needs(change: object): Promise<void> {
  const go = { minor: 26, oldestMinor: 0, folder: '/nowhere' };
  await writeFile(
    inside('scripts/support/needs.json'),
    JSON.stringify({ commands: {}, files: {}, aptLists: inside('lists'), go, ...change }),
  );
}

function start(...words: readonly string[]) {
  const { SALLYPORT_GUEST_KERNEL } = process.env;
  const env = {
    PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
    npm_execpath: inside('node_modules/.bin/npm.js'),
    ...(SALLYPORT_GUEST_KERNEL === undefined ? {} : { SALLYPORT_GUEST_KERNEL }),
  };
  return spawn(process.execPath, [inside('scripts/bootstrap.mjs'), ...words], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function bootstrap(...words: readonly string[]) {
  const child = start(...words);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  const [code] = await once(child, 'close');
  const calls = await readFile(inside('calls'), 'utf8').catch(() => '');
  return { code: code as number, text, calls: calls.split('\n').filter((line) => line !== '') };
}

describe('npm packages', () => {
  test('nothing is installed where everything is there, and the script’s arguments and exit status pass through', async () => {
    expect(await bootstrap('scripts/plain.ts', '--one', 'two')).toEqual({
      code: 3,
      text: 'ran --one two true\n',
      calls: [],
    });
  });

  test.each([
    ['there are none', undefined],
    ['one is missing', { 'node_modules/node': NODE_PACKAGE }],
    ['one is old', { ...INSTALLED, 'node_modules/yaml': { version: '1.0.0' } }],
  ])('they are installed where %s', async (_, packages) => {
    if (packages === undefined) await rm(inside('node_modules/.package-lock.json'));
    else await installed(packages);
    const { code, calls } = await bootstrap('scripts/plain.ts');
    expect(code).toBe(3);
    expect(calls).toEqual(['npm ci --no-audit --no-fund --loglevel=error']);
  });

  test('Node’s package is completed where its install script did not run', async () => {
    await rm(inside('node_modules/.bin/node'));
    await program('npm.js', `require('fs').symlinkSync(process.execPath, '${inside('node_modules/.bin/node')}');`);
    const { code, text } = await bootstrap('scripts/plain.ts');
    expect(text).toContain('installed without its install script');
    expect(code).toBe(3);
  });

  test('a Node that stays away ends it, with the remedy', async () => {
    await rm(inside('node_modules/.bin/node'));
    const { code, text } = await bootstrap('scripts/plain.ts');
    expect(code).toBe(1);
    expect(text).toContain('npm rebuild node');
  });
});

describe.runIf(process.platform === 'linux')('the machine, on Linux and in part only for root', () => {
  const root = process.getuid?.() === 0;
  const lacking = { commands: { 'no-such-command': 'no-such-package' } };

  test.runIf(root)('missing system packages are installed, where that is possible', async () => {
    await needs(lacking);
    const { calls } = await bootstrap('scripts/test.ts');
    const wait = '-o DPkg::Lock::Timeout=300 --quiet';
    expect(calls).toEqual([
      `apt-get ${wait} update`,
      `apt-get ${wait} install --yes --no-install-recommends no-such-package`,
    ]);
  });

  test.runIf(root).each([
    ['what builds a kernel', 'kernelCommands', ['test', 'bench']],
    ['what gathers evidence', 'evidenceCommands', ['test']],
    ['what measures', 'benchCommands', ['bench']],
  ])('%s is installed for those who need it alone', async (_, group, wanting) => {
    await needs({ [group]: lacking.commands });
    for (const name of ['test', 'bench', 'demo']) {
      await rm(inside('calls'), { force: true });
      const { calls } = await bootstrap(`scripts/${name}.ts`);
      expect(calls.join().includes('no-such-package'), name).toBe(wanting.includes(name));
    }
  });

  test.runIf(root)('what emulates a machine is installed for those who want the stock kernel alone', async () => {
    await needs({ stockKernelCommands: lacking.commands });
    expect((await bootstrap('scripts/test.ts')).calls).toEqual([]);
    vi.stubEnv('SALLYPORT_GUEST_KERNEL', 'stock');
    expect((await bootstrap('scripts/test.ts')).calls.join()).toContain('no-such-package');
  });

  test.runIf(root)('what apt knows is fetched where it knows nothing', async () => {
    await rm(inside('lists/main_Packages'));
    expect((await bootstrap('scripts/test.ts')).calls).toEqual(['apt-get -o DPkg::Lock::Timeout=300 --quiet update']);
  });

  test.each([['--list'], ['--ring', 'check'], ['--ring=everyday']])(
    'nothing is installed for %s %s',
    async (...words) => {
      await needs(lacking);
      expect(await bootstrap('scripts/test.ts', ...words)).toMatchObject({ code: 3, calls: [] });
    },
  );

  test('without Go the tests start and say so, and the demo does not start', async () => {
    await needs({ go: { minor: 26, oldestMinor: 999, folder: '/nowhere' } });
    const tests = await bootstrap('scripts/test.ts');
    expect(tests.code).toBe(3);
    expect(tests.text).toContain('Go 1.26 is needed');
    const demo = await bootstrap('scripts/demo.ts');
    expect(demo.code).toBe(1);
    expect(demo.text).toContain('Go 1.26 is needed');
  });
});

test('the script ends when npm’s shell was ended over its head', async () => {
  const line = `${process.execPath} ${inside('scripts/bootstrap.mjs')} scripts/wait.ts; true`;
  const shell = spawn('sh', ['-c', line], {
    env: { ...process.env, npm_lifecycle_event: 'test' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(shell.stdout, 'data');
  shell.kill('SIGKILL');
  // The pipe is closed by the last who holds it: the script.
  await once(shell.stdout.resume(), 'close');
});

test('a signal reaches the script, whose exit status is passed on', async () => {
  const child = start('scripts/wait.ts');
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expect(code).toBe(7);
});

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram } from '../../scripts/build.ts';

let folder: string;
const profiles = () => join(folder, 'config/sallyport/profiles');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-completion-'));
  await buildProgram('cli', folder);
  for (const name of ['prod', 'play', 'dev']) {
    mkdirSync(join(profiles(), name), { recursive: true });
    writeFileSync(join(profiles(), name, 'profile.json'), '{}');
  }
  mkdirSync(join(folder, 'bin'));
  symlinkSync(join(folder, 'cli.mjs'), join(folder, 'bin/sallyport'));
  symlinkSync(process.execPath, join(folder, 'bin/node'));
});

afterAll(() => rmSync(folder, { recursive: true }));

const env = () => ({ PATH: `${folder}/bin:/usr/bin:/bin`, HOME: folder, XDG_CONFIG_HOME: join(folder, 'config') });
const sallyport = (...words: readonly string[]) =>
  execFileSync(join(folder, 'bin/sallyport'), words, { env: env(), encoding: 'utf8' });
const complete = (...words: readonly string[]) =>
  sallyport('complete', '--', ...words)
    .split('\n')
    .filter(Boolean);

test('commands, their options, an option’s values and profiles are completed; what is hidden is not', () => {
  expect(complete('sta')).toEqual(['status']);
  expect(complete('')).not.toContain('supervise');
  expect(complete('status', '--w')).toEqual(['--watch']);
  expect(complete('up', '--p')).toEqual([]);
  expect(complete('status', '-o', '')).toEqual(['text', 'json']);
  expect(complete('up', 'p')).toEqual(['play', 'prod']);
  expect(complete('list', '')).toEqual([]);
  expect(complete('nonsense', '')).toEqual([]);
});

test('bash asks for them', () => {
  const script = `source <(sallyport completion bash); COMP_WORDS=(sallyport up p); COMP_CWORD=2; _sallyport; echo "\${COMPREPLY[*]}"`;
  const said = execFileSync('bash', ['-c', script], { env: env(), encoding: 'utf8' });
  expect(said.trim().split(/\s+/)).toEqual(['play', 'prod']);
});

test.each(['bash', 'zsh', 'fish'])('what %s sources is what that shell can read', (shell) => {
  const text = sallyport('completion', shell);
  expect(text).toContain('sallyport complete --');
  const program = ['/bin', '/usr/bin'].map((place) => join(place, shell)).find((file) => existsSync(file));
  if (program !== undefined) execFileSync(program, ['-n'], { input: text });
});

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inProject, NODE } from '../../scripts/support/paths.ts';
import { type ExecResult, output, run, TIED } from '../lab/exec.ts';
import { because } from '../support/because.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { missing } from './machine.ts';

describe.skipIf(missing)(`evidence of a failed test${because(missing)}`, () => {
  let temporary: string;
  let folder: string;
  let result: ExecResult;

  beforeAll(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'sallyport-evidence-'));
    const env = { SALLYPORT_TEST_RESULTS: join(temporary, 'results'), SECRETS_FILE: join(temporary, 'secret') };
    const vitest = [NODE, inProject('node_modules/vitest/vitest.mjs'), 'run', '--root', inProject()];
    const config = ['--config', inProject('test/netns/fixtures/vitest.config.ts')];
    result = await run([...TIED, ...vitest, ...config, 'test/netns/fixtures/fails.ts'], { env, cwd: inProject() });
    folder = join(env.SALLYPORT_TEST_RESULTS, 'netns-fixtures-fails.ts-fails-on-purpose');
  });

  afterAll(() => rm(temporary, { recursive: true, force: true }));

  const text = (...path: readonly string[]) => readFile(join(folder, ...path), 'utf8');

  test('is in a folder that is named, with what failed', async () => {
    expect(result.code).toBe(1);
    expect(result.stdout).toContain(`evidence of the failure: ${folder}`);
    expect(await text('failure.txt')).toContain('an interface that nobody made');
  });

  test('holds what the kernel did in each namespace, with keys hidden', async () => {
    const { device, table } = PLAN_NAMES;
    expect(await text('namespace-1', 'wireguard.txt')).toMatch(new RegExp(`interface: ${device}[^]*\\(hidden\\)`));
    expect(await text('namespace-1', 'nftables.txt')).toContain(`table inet ${table}`);
    expect(await text('namespace-1', 'routes.txt')).toContain(device);
    const secret = await readFile(join(temporary, 'secret'), 'utf8');
    expect(secret).toHaveLength(44);
    for (const file of await readdir(join(folder, 'namespace-1')))
      expect(await text('namespace-1', file), file).not.toContain(secret);
  });

  test('holds what was asked of the network last, and the packets of asking it again', async () => {
    expect(await text('flow', 'replayed.txt')).toMatch(/^namespace-1: tcp 127\.0\.0\.1 9\nin the test: .*\nagain: /);
    const packets = await output(['tcpdump', '-nr', join(folder, 'flow', 'namespace-1.pcap'), 'tcp']);
    expect(packets).toMatch(/127\.0\.0\.1\.\d+ > 127\.0\.0\.1\.9: Flags \[S\]/);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labTools } from './binaries.ts';
import { type ExecResult, run } from './exec.ts';
import { KIND_MODULE } from './tool-list.ts';

const MINUTES = 60_000;

/** What kind asks an engine before it looks at its configuration. The first that it refuses is about the nodes' network. */
const ENGINE = `#!/bin/sh
case "$1 $*" in
  *--format*Cgroup*|'info '*) echo '{"CgroupDriver":"systemd","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,"CPUShares":true,"SecurityOptions":[]}' ;;
  'version '*|'-v '*|'--version '*) echo 'Docker version 28.0.0, build 0' ;;
  'ps '*) ;;
  'inspect '*) ;;
  *) echo "the configuration was accepted; asked for: $*" >&2; exit 7 ;;
esac
`;

let folder: string;
let kind: string;

beforeAll(async () => {
  kind = (await labTools([KIND_MODULE])).path('kind');
  folder = await mkdtemp(join(tmpdir(), 'sallyport-kind-'));
  await writeFile(join(folder, 'docker'), ENGINE, { mode: 0o755 });
}, 20 * MINUTES);

afterAll(() => rm(folder, { recursive: true, force: true }));

function create(config: string): Promise<ExecResult> {
  const env = {
    PATH: `${folder}:${process.env.PATH}`,
    KUBECONFIG: join(folder, 'kubeconfig'),
    KIND_EXPERIMENTAL_PROVIDER: 'docker',
  };
  return run([kind, 'create', 'cluster', '--name', 'parsed', '--config', config], { env, timeout: MINUTES });
}

describe('the configuration of the demo on kind', () => {
  test("the real kind reads it, finds it valid and goes on to make the nodes' network", async () => {
    const { stderr } = await create(join(import.meta.dirname, 'kind.yaml'));
    expect(stderr).toContain('the configuration was accepted; asked for: network ls');
  });

  test.each([
    ['a field that kind does not know', 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnods: []\n', 'nods'],
    [
      'a value that kind does not allow',
      'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnetworking: {kubeProxyMode: nft}\n',
      'kubeProxyMode',
    ],
  ])('the test would notice %s', async (_, text, named) => {
    const file = join(folder, 'broken.yaml');
    await writeFile(file, text);
    const { code, stderr } = await create(file);
    expect(code).not.toBe(0);
    expect(stderr).toContain(named);
    expect(stderr).not.toContain('the configuration was accepted');
  });
});

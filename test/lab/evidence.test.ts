import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inProject, NODE } from '../../scripts/support/paths.ts';
import { type ExecResult, run, TIED } from './exec.ts';

/** A test file of the lab that fails after it has put out node-2, run by a vitest of its own. */
const FIXTURE = 'test/lab/fixtures/fails.ts';

let temporary: string;
let folder: string;
let result: ExecResult;
let known: { readonly secrets: readonly string[]; readonly address: string };

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'sallyport-evidence-'));
  const env = { SALLYPORT_TEST_RESULTS: join(temporary, 'results'), SECRETS_FILE: join(temporary, 'secrets') };
  const vitest = [NODE, inProject('node_modules/vitest/vitest.mjs'), 'run', '--root', inProject()];
  const config = ['--config', inProject('test/lab/fixtures/vitest.config.ts')];
  result = await run([...TIED, ...vitest, ...config, FIXTURE], { env, cwd: inProject() });
  folder = join(env.SALLYPORT_TEST_RESULTS, 'lab-fixtures-fails.ts-fails-on-purpose');
  known = JSON.parse(await readFile(env.SECRETS_FILE, 'utf8'));
});

afterAll(() => rm(temporary, { recursive: true, force: true }));

const text = (...path: readonly string[]) => readFile(join(folder, ...path), 'utf8');

async function files(): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test('the test failed, and its folder was named', async () => {
  expect(result.code).toBe(1);
  expect(result.stdout).toContain(`evidence of the failure: ${folder}`);
  expect(await text('failure.txt')).toContain('expected +0 to be 200');
});

test('holds the logs of every component, and of pods', async () => {
  const logs = (await files()).map((file) => file.slice(join(folder, 'logs').length));
  for (const log of ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'])
    expect(logs).toContainEqual(expect.stringMatching(new RegExp(`${log}\\.log$`)));
  for (const node of ['node-1', 'node-2'])
    for (const log of ['kubelet', 'containerd', 'kube-proxy']) expect(logs).toContain(`/${node}/${log}.log`);
  for (const pod of ['sallyport-operator', 'sallyport-default', 'hello-node-2'])
    expect(logs).toContainEqual(expect.stringMatching(new RegExp(`pods/[^/]*_${pod}-.*\\.log$`)));
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  expect(entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name)).toEqual([]);
});

test('holds our objects, and no Secret', async () => {
  expect(await text('objects', 'meshpeers.yaml')).toContain('kind: MeshPeer');
  expect(await text('objects', 'meshgateways.yaml')).toContain('kind: MeshGateway');
  expect(await text('objects', 'meshgatewaynodes.yaml')).toContain('kind: MeshGatewayNode');
  expect(await text('objects', 'pods.yaml')).toContain('sallyport-operator');
  for (const kind of ['nodes', 'events', 'leases', 'daemonsets'])
    expect(await text('objects', `${kind}.yaml`)).not.toBe('');
});

test('holds what the kernels are made to do, with keys hidden', async () => {
  expect(await text('nodes', 'node-1', 'wireguard.txt')).toMatch(/interface: wg-default[\s\S]*private key: \(hidden\)/);
  expect(await text('nodes', 'node-1', 'nftables.txt')).toContain('table inet sallyport_default');
  expect(await text('nodes', 'node-1', 'routes.txt')).toContain('wg-default');
  expect(await text('nodes', 'node-1', 'sysctls.txt')).toContain('net.ipv4.ip_forward = 1');
  expect(await text('laptops', 'ada', 'wireguard.txt')).toContain('interface: mesh');
});

test('holds what the supervisors of tunnels said', async () => {
  expect(await text('laptops', 'ada', 'supervisors.txt')).toContain('a word of its supervisor');
});

test('holds a capture of the flow that failed, from both ends', async () => {
  expect(await text('flow', 'replayed.txt')).toContain(`http://${known.address}/`);
  for (const machine of ['ada', 'node-1']) {
    const read = await run(['tcpdump', '-nn', '-r', join(folder, 'flow', `${machine}.pcap`)]);
    expect(read.stdout).toContain(`${known.address}.80`);
  }
});

test('says what could not be had of the node that is out', async () => {
  expect(await text('missing.txt')).toContain('node-2');
});

test('no file holds a private or preshared key', async () => {
  expect(known.secrets.length).toBeGreaterThan(2);
  for (const file of await files()) {
    const content = await readFile(file);
    expect(
      known.secrets.filter((secret) => content.includes(secret)),
      file,
    ).toEqual([]);
  }
});

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { presharedKeysName } from '../../src/api/names.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, type Mesh, must, RELEASE, startMesh, until } from './mesh.ts';

const SECRET = 'ada-psk';
const OWN = ['-n', RELEASE.namespace];
/** Without being told, a kubelet looks after a pod's Secrets about once a minute. */
const SOON_S = 20;

const measured: string[] = [];
const keys = { first: newKey(), second: newKey(), wrong: newKey() };
let mesh: Mesh;
let laptop: Laptop;
let device: Device;

function newKey(): string {
  return randomBytes(32).toString('base64');
}

beforeAll(async () => {
  mesh = await startMesh('preshared-key');
  laptop = await mesh.cluster.addLaptop('ada');
  device = await mesh.addDevice('ada', { presharedKeySecretName: SECRET });
  await laptop.writeFile('/etc/wireguard/mesh.psk', `${keys.first}\n`);
});

afterAll(async () => {
  await mesh?.cluster.stop();
  console.log(`measured:\n${measured.join('\n')}`);
});

/** What the condition tells to type, but for the key, which a test knows. */
async function makeSecret(key: string): Promise<void> {
  const place = [...OWN, 'create', 'secret', 'generic', SECRET];
  const { message = '' } = findCondition((await mesh.peer(device)).status?.conditions ?? [], 'Accepted') ?? {};
  const [, type = ''] = /--type=(\S+)/.exec(message) ?? [];
  const [, annotation = ''] = /(sallyport\.dev\/peer=\S+)/.exec(message) ?? [];
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-psk-'));
  await writeFile(join(folder, 'presharedKey'), `${key}\n`, { mode: 0o600 });
  await mesh.cluster.kubectl([...place, `--type=${type}`, `--from-file=${join(folder, 'presharedKey')}`]);
  await rm(folder, { recursive: true });
  await mesh.cluster.kubectl([...OWN, 'annotate', 'secret', SECRET, annotation]);
}

async function seconds(what: string, act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  const taken = (performance.now() - began) / 1000;
  measured.push(`${what}: ${taken.toFixed(1)} s`);
  return taken;
}

const service = () => mesh.serviceAddress('hello-node-2');
const asks = async (within = 5) => (await curl(laptop, `http://${await service()}`, within)).status;
const handshake = async () => must(await laptop.exec(['wg', 'show', 'mesh', 'latest-handshakes'])).split(/\s/)[1];
const isProgrammed = ({ status }: MeshPeer) => isTrue(status?.conditions ?? [], 'Programmed');

test('without its Secret the device is refused, and told the commands that make it', async () => {
  const peer = await mesh.untilPeer(device, 'Accepted', 'False', 'PresharedKeyNotFound');
  expect(findCondition(peer.status?.conditions ?? [], 'Accepted')?.message).toContain('create secret generic ada-psk');
});

test('with its Secret it gets a Service, seconds after the Secret was made', async () => {
  await makeSecret(keys.first);
  const taken = await seconds('from the Secret to Programmed on both nodes', () =>
    mesh.untilPeer(device, 'Programmed'),
  );
  expect(taken).toBeLessThan(SOON_S);
  await mesh.join(laptop, device);
  expect(await asks()).toBe(200);
});

test('with another preshared key there is no handshake', async () => {
  await mesh.leave(laptop);
  await laptop.writeFile('/etc/wireguard/mesh.psk', keys.wrong);
  await mesh.join(laptop, device);
  expect(await asks()).toBe(0);
  expect(await handshake()).toBe('0');
  await mesh.leave(laptop);
});

test('a changed key is in force on both nodes within seconds, and the old one is not', async () => {
  await laptop.writeFile('/etc/wireguard/mesh.psk', keys.first);
  await mesh.join(laptop, device);
  expect(await asks()).toBe(200);
  const before = (await mesh.peer(device)).status?.presharedKeyVersion;
  const data = { presharedKey: Buffer.from(keys.second).toString('base64') };
  await mesh.cluster.kubectl([...OWN, 'patch', 'secret', SECRET, '--type=merge', '-p', JSON.stringify({ data })]);
  const isChanged = (peer: MeshPeer) => peer.status?.presharedKeyVersion !== before && isProgrammed(peer);
  const taken = await seconds('from the changed Secret to Programmed', () =>
    until('the new key on every node', () => mesh.peer(device), isChanged),
  );
  expect(taken).toBeLessThan(SOON_S);
  // The session that was made with the old key lives on until it is renewed.
  expect(await asks()).toBe(200);
  await mesh.leave(laptop);
  await mesh.join(laptop, device);
  expect(await asks()).toBe(0);
  await mesh.leave(laptop);
  await laptop.writeFile('/etc/wireguard/mesh.psk', keys.second);
  await mesh.join(laptop, device);
  expect(await asks()).toBe(200);
});

test('no preshared key stands in a log, a status or an argument', async () => {
  const logs = await Promise.all(
    ['agent', 'operator'].map((component) =>
      mesh.cluster.kubectl([...OWN, 'logs', '-l', `app.kubernetes.io/component=${component}`, '--tail=-1', '--prefix']),
    ),
  );
  const kinds = 'meshpeers.sallyport.dev,meshgatewaynodes.sallyport.dev,meshgateways.sallyport.dev,pods,events';
  const objects = await mesh.cluster.kubectl(['get', kinds, '-A', '-o', 'yaml']);
  expect(logs.join('').length).toBeGreaterThan(1_000);
  for (const key of Object.values(keys)) {
    expect(logs.join('')).not.toContain(key);
    expect(objects).not.toContain(key);
  }
});

test('a deleted Secret puts the device out', async () => {
  await mesh.cluster.kubectl([...OWN, 'delete', 'secret', SECRET]);
  await seconds('from the deleted Secret to refused', () =>
    mesh.untilPeer(device, 'Accepted', 'False', 'PresharedKeyNotFound'),
  );
  await until(
    'no answer',
    () => asks(1),
    (status) => status === 0,
    10,
  );
  const path = 'jsonpath={.data}';
  const left = () => mesh.cluster.kubectl([...OWN, 'get', 'secret', presharedKeysName('default'), '-o', path]);
  await until('no key for the nodes', left, (data) => data === '' || data === '{}', 10);
});

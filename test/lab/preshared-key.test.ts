import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { presharedKeysName } from '../../src/api/names.ts';
import { agentOf, DEVICE } from './gateway-node.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, type Mesh, must, RELEASE, startMesh, until } from './mesh.ts';

const SECRET = 'ada-psk';
const OWN = ['-n', RELEASE.namespace];
/** Without being told, a kubelet looks after a pod's Secrets about once a minute. */
const SOON_S = 20;

const PRIVATE_KEY = 'jsonpath={.data.privateKey}';

/**
 * Looks at the arguments and the environment of every process on a node for the keys of its standard input, while it gives the interface other
 * private keys, which the agent mends by `wg`. Says how often it looked, where it found one, and that it sees the agent's. One process is there to be
 * found: it has the first of the keys in its environment.
 */
const WATCH_KEYS = `
  agent=$1 device=$2 wanted=$3 keys=/run/watched-keys
  umask 077
  read -r decoy
  { echo "$decoy"; cat; } >"$keys"
  DECOY="$decoy" sleep 60 >/dev/null 2>&1 &
  found=$!
  in_pod() { nsenter -t "$agent" -m wg "$@"; }
  while [ -e "$keys" ]; do
    grep -slaF -f "$keys" /proc/[0-9]*/cmdline /proc/[0-9]*/environ || true
    echo looked
  done &
  looking=$!
  for turn in 1 2; do
    wg genkey >"/proc/$agent/root/run/sallyport/another-key"
    in_pod set "$device" private-key /run/sallyport/another-key
    rm "/proc/$agent/root/run/sallyport/another-key"
    until [ "$(in_pod show "$device" public-key)" = "$wanted" ]; do sleep 0.1; done
  done
  rm "$keys"
  wait "$looking"
  kill "$found"
  echo "decoy /proc/$found/environ"
  grep -laF agent.mjs "/proc/$agent/cmdline"
  grep -laF SALLYPORT_GATEWAY "/proc/$agent/environ"`;

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

/** A key as wg, a Secret and WireGuard's own interface have it. */
function spellings(key: string): readonly string[] {
  return [key, Buffer.from(key).toString('base64'), Buffer.from(key, 'base64').toString('hex')];
}

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

test('no key stands in a log, a status, an Event, an argument or an environment', async () => {
  const logs = await Promise.all(
    ['agent', 'operator'].map((component) =>
      mesh.cluster.kubectl([...OWN, 'logs', '-l', `app.kubernetes.io/component=${component}`, '--tail=-1', '--prefix']),
    ),
  );
  const kinds = 'meshpeers.sallyport.dev,meshgatewaynodes.sallyport.dev,meshgateways.sallyport.dev,pods,events';
  const objects = await mesh.cluster.kubectl(['get', kinds, '-A', '-o', 'yaml']);
  expect(logs.join('').length).toBeGreaterThan(1_000);
  const gateways = await mesh.cluster.kubectl([...OWN, 'get', 'secret', 'sallyport-default', '-o', PRIVATE_KEY]);
  const secret = [...Object.values(keys), Buffer.from(gateways, 'base64').toString().trim(), device.keys.privateKey];
  for (const key of secret.flatMap(spellings)) {
    expect(logs.join('')).not.toContain(key);
    expect(objects).not.toContain(key);
  }
  // Not where the laptop is served: whoever gets another key forgets all sessions.
  const endpoint = must(await laptop.exec(['wg', 'show', 'mesh', 'endpoints']));
  const other = ['node-1', 'node-2'].map((name) => mesh.cluster.node(name)).find((n) => !endpoint.includes(n.address));
  const agent = (other && (await agentOf(other))) ?? '';
  const publicKey = (await mesh.gateway()).status?.publicKey ?? '';
  const argv = ['sh', '-euc', WATCH_KEYS, 'watch', agent, DEVICE, publicKey];
  const input = `${newKey()}\n${secret.flatMap(spellings).join('\n')}\n`;
  const result = await other?.exec(argv, { input, timeout: 30_000 });
  const said = must(result ?? { code: 1, stdout: '', stderr: 'no node' })
    .trim()
    .split('\n');
  const decoy = said.find((line) => line.startsWith('decoy '))?.replace('decoy ', '');
  const looks = said.filter((line) => line === 'looked').length;
  const files = new Set(said.filter((line) => line.startsWith('/')));
  expect(files).toEqual(new Set([decoy, `/proc/${agent}/cmdline`, `/proc/${agent}/environ`]));
  measured.push(`looks at every process while the agent set the gateway's key: ${looks}`);
  expect(looks).toBeGreaterThan(1);
  expect(await asks()).toBe(200);
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

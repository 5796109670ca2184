import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import { PRIVATE_KEY_ENTRY } from '../../src/api/names.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { JoiningLaptop, PublishedProgram } from './joining-laptop.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, type Mesh, must, RELEASE, startMesh, until } from './mesh.ts';

const SERVICE = 'http://hello-node-2.demo.svc.cluster.local';
const SECRET = 'sallyport-default';
const OWN = ['-n', RELEASE.namespace];
/** A tunnel that is up asks twice a minute. */
const REFRESH_S = 60;
/** Kubelets bring the key within a moment when they are nudged, and within a minute and a half in any case. */
const KUBELET_S = 100;

const measured: string[] = [];
let mesh: Mesh;
let program: PublishedProgram;
let ada: JoiningLaptop;
let bob: Laptop;
let phone: Device;
let first = '';
/** When devices had been told the second key. */
let toldAt = 0;

beforeAll(async () => {
  [mesh, program] = await Promise.all([startMesh('gateway-key'), PublishedProgram.build()]);
  ada = new JoiningLaptop(await mesh.cluster.addLaptop('ada'), program);
  await ada.giveKubeconfig(mesh, 'ada', 'demo');
  await ada.must('join');
  await ada.laptop.exec(['rm', '/var/home/.kube/config']);
  bob = await mesh.cluster.addLaptop('bob');
  phone = await mesh.addDevice('bob-phone');
  await mesh.join(bob, phone);
  expect(await asks(bob)).toBe(200);
  first = (await mesh.gateway()).status?.publicKey ?? '';
  await untilCounted(2);
});

afterAll(async () => {
  await mesh?.cluster.stop();
  await program?.remove();
  console.log(`measured:\n${measured.join('\n')}`);
});

const asks = async (laptop: Laptop) => {
  const address = await mesh.serviceAddress('hello-node-2');
  return (await curl(laptop, `http://${address}`, 3)).status;
};
/** Puts a Secret there that nobody says is Sallyport's. */
const supply = (data: object) => {
  const metadata = { name: SECRET, namespace: RELEASE.namespace };
  return mesh.apply({ apiVersion: 'v1', kind: 'Secret', metadata, data });
};
const reasonOf = ({ status }: MeshGateway) => findCondition(status?.conditions ?? [], 'KeyApplied')?.reason;
const untilReason = (reason: string, seconds = KUBELET_S) =>
  until(
    `KeyApplied ${reason}`,
    () => mesh.gateway(),
    (gateway) => reasonOf(gateway) === reason,
    seconds,
  );
const peersOf = async (joined: JoiningLaptop) =>
  must(await joined.laptop.exec(['wg', 'show', 'sp-lab', 'peers'])).trim();
const interfaces = async (node: string) =>
  must(await mesh.cluster.node(node).exec(['ip', '-br', 'link']))
    .split('\n')
    .flatMap((line) => /^wg-default\S*/.exec(line)?.[0].replace(/@.*/, '') ?? []);

/** So many devices are known to have come by some key. */
async function untilCounted(count: number): Promise<void> {
  await until(
    `${count} connected peers`,
    () => mesh.gateway(),
    ({ status }) => status?.peers?.connected === count,
  );
}

async function seconds<T>(what: string, act: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await act();
  measured.push(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return result;
}

test('a new key is asked for, the operator is killed meanwhile, and a joined laptop under requests loses none', async () => {
  const requests = ada.requests(SERVICE);
  await mesh.patchGateway('default', { keyRotation: { request: 'lab' } });
  await mesh.cluster.kubectl([
    ...OWN,
    ...['delete', 'pod', '-l', 'app.kubernetes.io/component=operator', '--grace-period=0', '--force', '--wait=false'],
  ]);
  const told = await seconds('from the request, with the operator killed, to devices being told', () =>
    until(
      'devices to be told another key',
      () => mesh.gateway(),
      ({ status }) => status?.publicKey !== first,
      KUBELET_S,
    ),
  );
  toldAt = Date.now();
  const second = told.status?.publicKey ?? '';
  expect(told.status?.keys).toMatchObject([
    { publicKey: second, state: 'Current', listenPort: 51841 },
    { publicKey: first, state: 'Former', listenPort: 51840 },
  ]);
  for (const node of ['node-1', 'node-2'])
    expect((await interfaces(node)).sort()).toEqual(['wg-default', 'wg-default_2']);
  await seconds('until the laptop has the new key', () =>
    until(
      'the laptop to move',
      () => peersOf(ada),
      (peers) => peers === second,
      REFRESH_S,
    ),
  );
  expect((await requests.next()).status).toBe(200);
  expect((await requests.next()).status).toBe(200);
  const failed = await requests.stop();
  expect(failed).toEqual([]);
  const notices = (await ada.status()).tunnel?.notices.map(({ text }) => text) ?? [];
  expect(notices.join('\n')).toContain(`another key: ${second}`);
});

test('a phone with its file goes on by the former key, and is named with its deadline', async () => {
  const { status } = await until(
    'the laptop to have left the former key',
    () => mesh.gateway(),
    ({ status }) => status?.keys?.[1]?.peers === 1,
  );
  expect(status?.keys?.[1]?.peerNames).toEqual(['demo/bob-phone']);
  expect(await asks(bob)).toBe(200);
  const described = await mesh.cluster.kubectl(['-n', 'demo', 'describe', 'meshpeer', 'bob-phone']);
  expect(described.replaceAll(/\s+/g, ' ')).toMatch(
    /still uses the former key of MeshGateway default, which ends at .*install status\.config anew/,
  );
  await until(
    'the laptop to be known to use the new key',
    () => mesh.peer({ namespace: 'demo', name: 'root-ada' }),
    (peer) => isTrue(peer.status?.conditions ?? [], 'UsesCurrentKey'),
  );
});

test('the Secret may be deleted and put back by something else while both keys are served', async () => {
  const saved = await mesh.cluster.kubectl([...OWN, 'get', 'secret', SECRET, '-o', 'json']);
  await mesh.cluster.kubectl([...OWN, 'delete', 'secret', SECRET]);
  await untilReason('SecretMissing');
  expect(await asks(bob)).toBe(200);
  expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
  const { data } = JSON.parse(saved);
  // As Vault or Sealed Secrets would: from here on it is not the operator's.
  await supply(data);
  await untilReason('Rotating');
});

test('another key in the supplied Secret waits, and follows when the overlap is ended; who moved loses no request', async () => {
  const requests = ada.requests(SERVICE);
  const data = { [PRIVATE_KEY_ENTRY]: Buffer.from(phoneLikeKey()).toString('base64') };
  await mesh.cluster.kubectl([...OWN, 'patch', 'secret', SECRET, '--type=merge', '-p', JSON.stringify({ data })]);
  const waiting = await untilReason('AnotherWaits');
  const second = waiting.status?.publicKey ?? '';
  // So short that it ends the present overlap, and so long that the next one lasts until the second patch.
  const age = Math.floor((Date.now() - toldAt) / 1000);
  await mesh.patchGateway('default', { keyRotation: { overlap: `${age}s` } });
  await mesh.patchGateway('default', { keyRotation: { overlap: '1d' } });
  const told = await until(
    'the third key to be told',
    () => mesh.gateway(),
    ({ status }) => status?.publicKey !== second,
    KUBELET_S,
  );
  expect(told.status?.keys).toMatchObject([
    { state: 'Current', listenPort: 51840 },
    { publicKey: second, state: 'Former', listenPort: 51841 },
  ]);
  const mounted = await mesh.cluster.kubectl([...OWN, 'get', 'secret', `${SECRET}.keys`, '-o', 'json']);
  expect(Object.keys(JSON.parse(mounted).data)).toHaveLength(2);
  await until(
    'the laptop to move',
    () => peersOf(ada),
    (peers) => peers === told.status?.publicKey,
    REFRESH_S,
  );
  expect((await requests.next()).status).toBe(200);
  expect(await requests.stop()).toEqual([]);
});

test('the phone is out since its key has ended, is told so, and is in again with its new file', async () => {
  expect(await asks(bob)).toBe(0);
  const peer = await mesh.untilPeer(phone, 'UsesCurrentKey', 'False', 'EndedKey');
  expect(findCondition(peer.status?.conditions ?? [], 'UsesCurrentKey')?.message).toContain(
    'install status.config anew',
  );
  await mesh.leave(bob);
  await mesh.join(bob, phone);
  expect(await asks(bob)).toBe(200);
});

test('a Secret that comes again with yet another key is a change of keys; a laptop that was away meanwhile is told what mends it', async () => {
  await ada.must('down');
  const before = (await mesh.gateway()).status?.publicKey;
  await mesh.patchGateway('default', { keyRotation: { overlap: '0s', request: 'once more' } });
  const refused = await untilReason('RequestRefused');
  const { message } = findCondition(refused.status?.conditions ?? [], 'KeyApplied') ?? {};
  expect(message).toMatch(/Secret sallyport-default was not made by Sallyport; put another key there/);
  await mesh.patchGateway('default', { keyRotation: { request: 'lab' } });
  await mesh.cluster.kubectl([...OWN, 'delete', 'secret', SECRET]);
  await untilReason('SecretMissing');
  expect(await asks(bob)).toBe(200);
  await supply({ [PRIVATE_KEY_ENTRY]: Buffer.from(keyPairFrom(randomBytes(32)).privateKey).toString('base64') });
  const { status } = await until(
    'another key, and no former one',
    () => mesh.gateway(),
    ({ status }) => status?.publicKey !== before && status?.keys?.length === 1,
    KUBELET_S,
  );
  for (const node of ['node-1', 'node-2'])
    await until(
      `${node} to serve the new key alone`,
      () => interfaces(node),
      (names) => names.join() === status?.keys?.[0]?.interface,
    );
  const { stdout, stderr } = await ada.sallyport('up');
  expect(`${stdout}${stderr}`).toContain('sallyport join --profile lab');
  await ada.giveKubeconfig(mesh, 'ada', 'demo');
  expect((await ada.sallyport('doctor lab')).stdout).toContain('has another key by now');
  await ada.must('down');
  await ada.must('join --profile lab');
  expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
});

/** A key as `wg genkey` prints it. */
function phoneLikeKey(): string {
  return `${Buffer.from(Array.from({ length: 32 }, (_, index) => (index === 31 ? 0x40 : (index * 7) & 0xf8))).toString('base64')}\n`;
}

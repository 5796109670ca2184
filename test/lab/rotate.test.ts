import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findCondition } from '../../src/api/conditions.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { JoiningLaptop, PublishedProgram } from './joining-laptop.ts';
import { curl, type Device, type Mesh, must, startMesh, until } from './mesh.ts';
import { Traffic } from './traffic.ts';

const SERVICE = 'http://hello-node-2.demo.svc.cluster.local';
const ROUNDS = 3;
/** From before anything was written to after everything was; the whole takes one to three seconds. */
const KILLED_AFTER_MS = [250, 450, 650, 900, 1_200, 1_600, 2_200, 3_000];
const LONG_MS = 180_000;

let mesh: Mesh;
let program: PublishedProgram;

beforeAll(async () => {
  [mesh, program] = await Promise.all([startMesh('rotate'), PublishedProgram.build()]);
});

afterAll(async () => {
  await mesh?.cluster.stop();
  await program?.remove();
});

async function aLaptop(user: string): Promise<JoiningLaptop> {
  const joining = new JoiningLaptop(await mesh.cluster.addLaptop(user), program);
  await joining.giveKubeconfig(mesh, user, 'demo');
  await joining.must('join');
  return joining;
}

const keyOf = async ({ laptop }: JoiningLaptop) =>
  must(await laptop.exec(['wg', 'show', 'sp-lab', 'public-key'])).trim();

/** Runs `rotate` until it ends or is sent a signal. */
async function interrupted({ laptop }: JoiningLaptop, signal: 'INT' | 'KILL', afterMs: number): Promise<number> {
  const words = ['timeout', '-s', signal, String(afterMs / 1_000), process.execPath, program.file, 'rotate'];
  return (await laptop.exec(words, { env: { HOME: '/var/home' } })).code;
}

/** Waits until every node lets the device in with both keys. */
async function bothKeysIn(device: Device, nextPublicKey: string): Promise<void> {
  await until(
    'both keys on every node',
    () => mesh.peer(device),
    ({ status }) =>
      status?.nextPublicKey === nextPublicKey &&
      findCondition(status.conditions ?? [], 'Programmed')?.status === 'True',
  );
}

describe('a laptop that gets another key', () => {
  let ada: JoiningLaptop;
  const peer = { namespace: 'demo', name: 'root-ada' };

  beforeAll(async () => {
    ada = await aLaptop('ada');
  });

  test('goes on with its requests, of which none fails, and with its connections', { timeout: LONG_MS }, async () => {
    const before = await ada.status();
    const service = await mesh.serviceAddress('hello-node-2');
    const stream = new Traffic(ada.laptop, 'stream', service);
    const datagrams = new Traffic(ada.laptop, 'datagrams', service);
    await Promise.all([stream.answerAfter(0), datagrams.answerAfter(0)]);
    const keys = new Set<string>();
    const gaps: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const began = Date.now();
      const requests = ada.requests(SERVICE);
      await ada.must('rotate');
      expect(await requests.stop()).toEqual([]);
      gaps.push(Math.round(datagrams.longestGap(began, await datagrams.answerAfter(Date.now()))));
      keys.add(await keyOf(ada));
    }
    process.stdout.write(`longest time without an answer in a change of the key: ${gaps.join(', ')} ms\n`);
    await stream.answerAfter(Date.now());
    expect(stream.closed).toBeUndefined();
    await Promise.all([stream.stop(), datagrams.stop()]);
    const { spec, status } = await mesh.peer(peer);
    expect([keys.size, [...keys].at(-1)]).toEqual([ROUNDS, spec.publicKey]);
    expect([spec.nextPublicKey, status?.nextPublicKey]).toEqual([undefined, undefined]);
    expect(status?.addresses).toEqual(before.tunnel?.addresses);
  });

  test('may be interrupted at any moment: it stays in, and a repetition ends the change', {
    timeout: LONG_MS,
  }, async () => {
    const codes: number[] = [];
    const requests = ada.requests(SERVICE);
    for (const [index, afterMs] of KILLED_AFTER_MS.entries()) {
      codes.push(await interrupted(ada, index % 2 === 0 ? 'INT' : 'KILL', afterMs));
      expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
    }
    expect(codes.filter((code) => code !== 0).length).toBeGreaterThan(2);
    await ada.must('rotate');
    expect(await requests.stop()).toEqual([]);
    const { spec } = await mesh.peer(peer);
    expect([spec.publicKey, spec.nextPublicKey]).toEqual([await keyOf(ada), undefined]);
  });

  test('comes back up without credentials, wherever it was killed', { timeout: LONG_MS }, async () => {
    for (const afterMs of KILLED_AFTER_MS) {
      await interrupted(ada, 'KILL', afterMs);
      await ada.laptop.exec(['mv', '/var/home/.kube/config', '/var/kubeconfig']);
      await ada.must('down');
      await ada.must('up');
      expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
      await ada.laptop.exec(['mv', '/var/kubeconfig', '/var/home/.kube/config']);
    }
    await ada.must('rotate');
    expect((await mesh.peer(peer)).spec.nextPublicKey).toBeUndefined();
  });

  test('with its tunnel down goes by what the gateway answers, and comes up with the next key', async () => {
    await ada.must('down');
    const { spec: before } = await mesh.peer(peer);
    await ada.must('rotate');
    await ada.must('up');
    expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
    const { spec } = await mesh.peer(peer);
    expect([spec.publicKey === before.publicKey, spec.publicKey]).toEqual([false, await keyOf(ada)]);
  });

  test('is not changed while it is suspended, and says so', async () => {
    await mesh.patchDevice(peer, { suspended: true });
    await mesh.untilPeer(peer, 'Accepted', 'False');
    const { code, stderr } = await ada.sallyport('rotate');
    expect([code, stderr]).toEqual([1, expect.stringContaining('spec.suspended is true')]);
    expect((await mesh.peer(peer)).spec.nextPublicKey).toBeUndefined();
    await mesh.patchDevice(peer, { suspended: false });
    await until(
      'the Service',
      () => curl(ada.laptop, SERVICE, 2),
      ({ status }) => status === 200,
      30,
    );
  });
});

test('a device in the middle of a change is out with both keys at once, with the operator down', {
  timeout: LONG_MS,
}, async () => {
  const laptop = await mesh.cluster.addLaptop('leaving');
  const device = await mesh.addDevice('leaving');
  await mesh.join(laptop, device);
  const next = keyPairFrom(randomBytes(32));
  await mesh.patchDevice(device, { nextPublicKey: next.publicKey });
  await bothKeysIn(device, next.publicKey);
  const use = async (privateKey: string) => {
    await laptop.writeFile('/etc/wireguard/mesh.key', privateKey);
    must(await laptop.exec(['wg', 'set', 'mesh', 'private-key', '/etc/wireguard/mesh.key']));
  };
  await use(next.privateKey);
  const datagrams = new Traffic(laptop, 'datagrams', await mesh.serviceAddress('hello-node-1'));
  await datagrams.answerAfter(0);
  await mesh.scale('sallyport-operator', 0);
  try {
    await datagrams.answerAfter(Date.now());
    const deleted = await mesh.deleteDevice(device);
    await delay(3_000);
    const late = (datagrams.lastAnswer ?? 0) - deleted;
    process.stdout.write(`the last answer came ${Math.round(late)} ms after the deletion\n`);
    expect(late).toBeLessThan(1_000);
    await use(device.keys.privateKey);
    const back = Date.now();
    await delay(5_000);
    expect(datagrams.answersAfter(back)).toEqual([]);
  } finally {
    await mesh.scale('sallyport-operator', 2);
    await datagrams.stop();
  }
});

test('a device with stock tools changes its key by hand, and is told which it uses', { timeout: LONG_MS }, async () => {
  const laptop = await mesh.cluster.addLaptop('stock');
  const device = await mesh.addDevice('stock');
  await mesh.join(laptop, device);
  const service = await mesh.serviceAddress('hello-node-1');
  const stream = new Traffic(laptop, 'stream', service);
  await stream.answerAfter(0);
  const next = keyPairFrom(randomBytes(32));
  await mesh.patchDevice(device, { nextPublicKey: next.publicKey });
  await bothKeysIn(device, next.publicKey);
  expect(findCondition((await mesh.peer(device)).status?.conditions ?? [], 'NextKeyInUse')?.reason).toBe('NotInUse');
  await laptop.writeFile('/etc/wireguard/mesh.key', next.privateKey);
  // WireGuard tells handshakes by the second, and of two in the same one nobody knows the later.
  const shaken = Math.floor(Date.now() / 1000);
  await until(
    'the next second',
    async () => Math.floor(Date.now() / 1000),
    (second) => second > shaken,
  );
  must(await laptop.exec(['wg', 'set', 'mesh', 'private-key', '/etc/wireguard/mesh.key']));
  await stream.answerAfter(Date.now());
  await mesh.untilPeer(device, 'NextKeyInUse', 'True', 'InUse');
  await mesh.patchDevice(device, { publicKey: next.publicKey, nextPublicKey: null });
  await until(
    'one key',
    () => mesh.peer(device),
    ({ status }) => status?.publicKey === next.publicKey && status.nextPublicKey === undefined,
  );
  await stream.answerAfter(Date.now());
  expect(stream.closed).toBeUndefined();
  await stream.stop();
});

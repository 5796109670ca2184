import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import { secretType } from '../../src/api/core.ts';
import { type MeshGateway, meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { type PublicKey, parsePrivateKey } from '../../src/net/key.ts';
import { type KeyPair, keyPairFrom, publicKeyOf } from '../../src/net/key-pair.ts';
import { aKey } from '../support/builders.ts';
import { NAMESPACE, SmallMesh, type SmallNode } from '../support/small-mesh.ts';

const DEFAULT = 'default' as ObjectKey;
const SECRET = { name: 'sallyport-default', namespace: NAMESPACE };
const pair = (number: number) => keyPairFrom(new Uint8Array(32).fill(number));
const isReady = ({ status }: MeshGateway) => isTrue(status?.conditions ?? [], 'Ready');
const reasonOf = ({ status }: MeshGateway) => findCondition(status?.conditions ?? [], 'KeyApplied')?.reason;

let mesh: SmallMesh;
let nodes: readonly SmallNode[];
let first: PublicKey;
let stopOperator: () => Promise<void>;

const entry = ({ privateKey }: KeyPair) => ({ privateKey: Buffer.from(privateKey).toString('base64') });
const supply = (keys: KeyPair) => mesh.client.patch(secretType, SECRET, { data: entry(keys) });
const specify = (keyRotation: object) =>
  mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { keyRotation } });
const until = (holds: (gateway: MeshGateway) => boolean) => mesh.until(meshGatewayType, DEFAULT, holds);
const untilTold = (key: PublicKey) => until(({ status }) => status?.publicKey === key);
const untilReason = (reason: string) => until((gateway) => reasonOf(gateway) === reason);
const interfaces = ({ host }: SmallNode) =>
  [host.state.device, host.state.other?.device].map((device) => device && [device.name, device.publicKey]);

/** The key in the gateway's Secret. */
async function inSecret(): Promise<PublicKey | undefined> {
  const secret = await mesh.client.get(secretType, SECRET.name, NAMESPACE);
  const key = parsePrivateKey(Buffer.from(secret?.data.privateKey ?? '', 'base64').toString());
  return key.ok ? publicKeyOf(key.value) : undefined;
}

/** Which keys the nodes mount. */
async function mounted(): Promise<readonly string[]> {
  const secret = await mesh.client.get(secretType, `${SECRET.name}.keys`, NAMESPACE);
  const keys = Object.values(secret?.data ?? {}).map((data) => parsePrivateKey(Buffer.from(data, 'base64').toString()));
  return keys.map((key) => (key.ok ? publicKeyOf(key.value) : 'no key')).sort();
}

beforeEach(async () => {
  mesh = await SmallMesh.start();
  stopOperator = mesh.startOperator();
  await mesh.addGateway();
  nodes = [await mesh.startNode('node-a'), await mesh.startNode('node-b')];
  const gateway = await until((one) => isReady(one) && one.status?.nodes?.ready === 2);
  first = gateway.status?.publicKey as PublicKey;
});

afterEach(() => mesh.stop());

describe('another key in the Secret', () => {
  test('is told once every node serves it, on the second port, and the former one is served until it ends', async () => {
    const second = pair(7);
    for (const { host } of nodes) host.bringPrivateKeys([first]);
    await supply(second);
    const waiting = await untilReason('WaitingForNodes');
    expect(waiting.status).toMatchObject({ publicKey: first, endpoints: [{ endpoint: '192.0.2.97:51840' }, {}] });
    expect(await mounted()).toEqual([first, second.publicKey].sort());

    nodes[0]?.host.bringPrivateKeys([first, second.publicKey]);
    await expect.poll(() => interfaces(nodes[0] as SmallNode)).toContainEqual(['wg-default_2', second.publicKey]);
    expect((await untilReason('WaitingForNodes')).status?.publicKey).toBe(first);
    nodes[1]?.host.bringPrivateKeys([first, second.publicKey]);
    const told = await untilTold(second.publicKey);
    expect(told.status).toMatchObject({
      endpoints: [{ endpoint: '192.0.2.97:51841' }, { endpoint: '192.0.2.98:51841' }],
      keys: [
        { publicKey: second.publicKey, state: 'Current', slot: 2, listenPort: 51841, interface: 'wg-default_2' },
        { publicKey: first, state: 'Former', slot: 1, listenPort: 51840, interface: 'wg-default', peers: 0 },
      ],
    });
    expect(reasonOf(told)).toBe('Rotating');
    for (const node of nodes) {
      await expect
        .poll(() => interfaces(node))
        .toEqual([
          ['wg-default_2', second.publicKey],
          ['wg-default', first],
        ]);
    }

    await specify({ overlap: '0s' });
    await untilReason('Applied');
    for (const node of nodes)
      await expect.poll(() => interfaces(node)).toEqual([['wg-default_2', second.publicKey], undefined]);
    await expect.poll(mounted).toEqual([second.publicKey]);
  });

  test('is carried on by another operator, wherever the last one was killed', async () => {
    const second = pair(7);
    for (const { host } of nodes) host.bringPrivateKeys([first]);
    await supply(second);
    await untilReason('WaitingForNodes');
    await stopOperator();
    for (const { host } of nodes) host.bringPrivateKeys([first, second.publicKey]);
    stopOperator = mesh.startOperator();
    const told = await untilTold(second.publicKey);
    const since = told.status?.keys?.[1]?.until;
    await stopOperator();
    stopOperator = mesh.startOperator();
    await supply(pair(9));
    const waiting = await untilReason('AnotherWaits');
    expect(waiting.status?.keys?.[1]).toMatchObject({ publicKey: first, until: since });
  });

  test('names who still uses the former one, and tells them', async () => {
    const second = pair(7);
    await mesh.addPeer('ada');
    await mesh.addPeer('grace');
    await mesh.untilPeer('ada', ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'));
    await mesh.untilPeer('grace', ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'));
    const [node] = nodes;
    const seen = () => ({ endpoint: '198.51.100.7:40000' as never, latestHandshake: Math.floor(Date.now() / 1000) });
    for (const name of ['ada', 'grace']) node?.host.handshake(aKey(name), seen());
    await mesh.untilPeer('ada', ({ status }) => status?.gatewayKeys?.[0]?.publicKey === first);
    await mesh.untilPeer('grace', ({ status }) => status?.gatewayKeys?.[0]?.publicKey === first);
    await supply(second);
    await untilTold(second.publicKey);
    await until(({ status }) => status?.keys?.[1]?.peers === 2);
    const grace = await mesh.untilPeer(
      'grace',
      ({ status }) => findCondition(status?.conditions ?? [], 'UsesCurrentKey')?.reason === 'FormerKey',
    );
    expect(findCondition(grace.status?.conditions ?? [], 'UsesCurrentKey')?.message).toContain(
      'install status.config anew',
    );
    expect(grace.status?.config).toContain(second.publicKey);

    await expect.poll(() => node?.host.state.device?.name).toBe('wg-default_2');
    node?.host.handshake(aKey('ada'), { ...seen(), latestHandshake: seen().latestHandshake + 1 }, 'wg-default_2');
    const left = await until(({ status }) => status?.keys?.[1]?.peers === 1);
    expect(left.status?.keys?.[1]?.peerNames).toEqual(['team-a/grace']);
    await mesh.untilPeer('ada', ({ status }) => isTrue(status?.conditions ?? [], 'UsesCurrentKey'));
  }, 15_000);
});

test('who is revoked is out though nobody can be led by the other interface', async () => {
  const [node] = nodes;
  await mesh.addPeer('ada');
  await mesh.untilPeer('ada', ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'));
  await supply(pair(7));
  await untilTold(pair(7).publicKey);
  if (node === undefined) throw new Error('no node');
  node.host.takeElements = () => Promise.reject(new Error('nft: Operation not permitted'));
  await mesh.client.delete(meshPeerType, { name: 'ada', namespace: 'team-a' });
  const devices = () => [node.host.state.device, node.host.state.other?.device];
  await expect
    .poll(() => devices().map((device) => device?.peers.has(aKey('ada'))), { timeout: 8_000 })
    .toEqual([false, false]);
}, 15_000);

test('a former key that is put back is told again, and which one is newer outlives the operator', async () => {
  const secret = await mesh.client.get(secretType, SECRET.name, NAMESPACE);
  await supply(pair(7));
  await untilTold(pair(7).publicKey);
  await mesh.client.patch(secretType, SECRET, { data: secret?.data ?? {} });
  await untilTold(first);
  await stopOperator();
  stopOperator = mesh.startOperator();
  await specify({ overlap: '6d' });
  const back = await until(({ status, metadata }) => status?.observedGeneration === metadata.generation);
  expect(back.status?.keys).toMatchObject([
    { publicKey: first, state: 'Current' },
    { publicKey: pair(7).publicKey, state: 'Former', newer: true },
  ]);
});

describe('the Secret of the key', () => {
  test('may be deleted and put back: nodes and devices do not notice, and a condition tells', async () => {
    const before = await mesh.client.get(secretType, SECRET.name, NAMESPACE);
    await mesh.client.delete(secretType, SECRET);
    const gone = await untilReason('SecretMissing');
    expect(gone.status?.publicKey).toBe(first);
    expect(isReady(gone)).toBe(true);
    expect(await mounted()).toEqual([first]);
    await mesh.client.create(secretType, { metadata: SECRET, data: before?.data ?? {} });
    const back = await untilReason('Applied');
    expect(back.status?.keys).toHaveLength(1);
  });

  test('may be of any type: it is known by its name', async () => {
    await mesh.client.delete(secretType, SECRET);
    await untilReason('SecretMissing');
    await mesh.client.create(secretType, { metadata: SECRET, type: 'kubernetes.io/basic-auth', data: entry(pair(8)) });
    await untilTold(pair(8).publicKey);
  });

  test('may hold nonsense for a while', async () => {
    await mesh.client.patch(secretType, SECRET, { data: { privateKey: 'bm8=' } });
    const gateway = await untilReason('SecretInvalid');
    expect(isReady(gateway)).toBe(true);
    expect(gateway.status?.publicKey).toBe(first);
  });
});

describe('a request for a new key', () => {
  test('is fulfilled once, where the operator made the Secret', async () => {
    await specify({ request: 'november' });
    const told = await until(({ status }) => status?.publicKey !== first);
    expect(await inSecret()).toBe(told.status?.publicKey);
    expect(told.status?.keys?.map(({ state }) => state)).toEqual(['Current', 'Former']);
    await specify({ overlap: '0s' });
    const settled = await untilReason('Applied');
    await stopOperator();
    stopOperator = mesh.startOperator();
    await specify({ overlap: '1h' });
    await until((gateway) => gateway.status?.observedGeneration === gateway.metadata.generation);
    expect(await inSecret()).toBe(settled.status?.publicKey);
  });

  test('brings a Secret back that is gone, with a new key', async () => {
    await mesh.client.delete(secretType, SECRET);
    await untilReason('SecretMissing');
    await specify({ request: 'lost' });
    await until(({ status }) => status?.publicKey !== first);
    expect(await inSecret()).not.toBe(first);
  });

  test('is refused where somebody else supplies the Secret', async () => {
    await mesh.client.delete(secretType, SECRET);
    await untilReason('SecretMissing');
    await mesh.client.create(secretType, { metadata: SECRET, data: entry(pair(8)) });
    await untilTold(pair(8).publicKey);
    await specify({ overlap: '0s', request: 'november' });
    await untilReason('RequestRefused');
    expect(await inSecret()).toBe(pair(8).publicKey);
  });

  test('brings a Secret back that is gone while its key is on the way to the nodes', async () => {
    for (const { host } of nodes) host.bringPrivateKeys([first]);
    await specify({ request: 'november' });
    await untilReason('WaitingForNodes');
    const lost = await inSecret();
    await mesh.client.delete(secretType, SECRET);
    await untilReason('SecretMissing');
    await specify({ request: 'december' });
    await untilReason('WaitingForNodes');
    const found = await inSecret();
    expect(found).toBeDefined();
    expect([first, lost]).not.toContain(found);
    expect(await mounted()).toEqual([first, found].sort());
  });

  test('is not heard again when the Secret comes back from an older backup', async () => {
    await specify({ overlap: '0s', request: 'november' });
    await until(({ status }) => status?.publicKey !== first && status?.keys?.length === 1);
    const backup = await mesh.client.get(secretType, SECRET.name, NAMESPACE);
    const second = await inSecret();
    await specify({ request: 'december' });
    await until(({ status }) => status?.publicKey !== second && status?.keys?.length === 1);
    const { labels = {}, annotations = {} } = backup?.metadata ?? {};
    await mesh.client.patch(secretType, SECRET, { metadata: { labels, annotations }, data: backup?.data ?? {} });
    await untilTold(second as PublicKey);
    await untilReason('Applied');
    await specify({ overlap: '1s' });
    await until((gateway) => gateway.status?.observedGeneration === gateway.metadata.generation);
    expect(await inSecret()).toBe(second);
  });
});

test('a key that a device has is not taken by a gateway, whose interfaces would let nobody in by it', async () => {
  await mesh.addPeer('ada', { publicKey: pair(9).publicKey });
  await mesh.untilPeer('ada', ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'));
  await supply(pair(9));
  const gateway = await untilReason('KeyTaken');
  expect(gateway.status?.publicKey).toBe(first);
  expect(findCondition(gateway.status?.conditions ?? [], 'KeyApplied')?.message).toContain('MeshPeer team-a/ada');
});

import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Condition, findCondition, isTrue } from '../../src/api/conditions.ts';
import { type Pod, podType, secretType } from '../../src/api/core.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import { PEER_ANNOTATION, PRESHARED_KEY_TYPE, PRESHARED_KEYS_TYPE, presharedKeysName } from '../../src/api/names.ts';
import { AWAITED_ANNOTATION } from '../../src/operator/preshared-keys.ts';
import { aKey } from '../support/builders.ts';
import { NAMESPACE, SmallMesh, type SmallNode } from '../support/small-mesh.ts';

let mesh: SmallMesh;
let node: SmallNode;

const newKey = () => randomBytes(32).toString('base64');
const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');
const is = (type: string) => (peer: MeshPeer) => isTrue(peer.status?.conditions ?? [], type);
const has =
  (type: string, reason: string) =>
  ({ status }: MeshPeer) =>
    findCondition(status?.conditions ?? [], type)?.reason === reason;
const inKernel = (name: string) => node.host.state.device?.peers.get(aKey(name));

async function untilNode(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { interval: 5, timeout: 8_000 }).toBe(true);
}

function addSecret(name: string, peer: string, key: string, type: string = PRESHARED_KEY_TYPE) {
  const metadata = { name, namespace: NAMESPACE, annotations: { [PEER_ANNOTATION]: peer } };
  return mesh.client.create(secretType, { metadata, type, data: { presharedKey: base64(`${key}\n`) } });
}

const changeSecret = (name: string, patch: object) =>
  mesh.client.patch(secretType, { name, namespace: NAMESPACE }, patch);

/** What the kubelet would bring to the node: the keys by version. A FakeHost takes a key for its own fingerprint. */
async function mounted(): Promise<ReadonlyMap<string, string>> {
  const secret = await mesh.client.get(secretType, presharedKeysName('default'), NAMESPACE);
  const entries = Object.entries(secret?.data ?? {});
  return new Map(entries.map(([version, key]) => [version, Buffer.from(key, 'base64').toString('utf8')]));
}

/** Waits until the Secret of the gateway holds these keys, and brings them. */
async function bring(...keys: readonly string[]): Promise<void> {
  await expect
    .poll(async () => [...(await mounted()).values()].sort(), { interval: 5, timeout: 8_000 })
    .toEqual([...keys].sort());
  node.host.bringPresharedKeys(await mounted());
}

beforeEach(async () => {
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.addGateway();
  node = await mesh.startNode('node-a');
});

afterEach(() => mesh.stop());

describe('a peer with a preshared key', () => {
  const key = newKey();
  beforeEach(async () => {
    await addSecret('ada-psk', 'team-a/ada', key);
    await mesh.addPeer('ada', { presharedKeySecretName: 'ada-psk' });
  });

  test('is let in once its key has reached the node, and not before', async () => {
    const waiting = await mesh.untilPeer('ada', has('Programmed', 'WaitingForPresharedKey'));
    expect(is('Accepted')(waiting)).toBe(true);
    expect(inKernel('ada')).toBeUndefined();
    await bring(key);
    await mesh.untilPeer('ada', is('Programmed'));
    expect(inKernel('ada')?.presharedKey).toBe(key);
  });

  test('gets another by one step, and keeps the old one until the new one is there', async () => {
    await bring(key);
    await mesh.untilPeer('ada', is('Programmed'));
    const next = newKey();
    const done = node.host.applied.length;
    await changeSecret('ada-psk', { data: { presharedKey: base64(next) } });
    await mesh.untilPeer('ada', has('Programmed', 'WaitingForPresharedKey'));
    expect(inKernel('ada')?.presharedKey).toBe(key);
    await bring(next);
    await mesh.untilPeer('ada', is('Programmed'));
    expect(inKernel('ada')?.presharedKey).toBe(next);
    expect(node.host.applied.slice(done).map(({ kind }) => kind)).toEqual(['set-peers']);
    expect(node.host.applied.at(-1)).toMatchObject({ changes: [{ kind: 'change', added: [], removed: [] }] });
  });

  test('is out when its Secret goes, and in again when it is back', async () => {
    await bring(key);
    await mesh.untilPeer('ada', is('Programmed'));
    await mesh.client.delete(secretType, { name: 'ada-psk', namespace: NAMESPACE });
    await mesh.untilPeer('ada', has('Accepted', 'PresharedKeyNotFound'));
    await untilNode(() => inKernel('ada') === undefined);
    await bring();
    await addSecret('ada-psk', 'team-a/ada', key);
    await bring(key);
    await mesh.untilPeer('ada', is('Programmed'));
  });

  test('is that of the Secret which the device names now: that one is followed, and no longer the one before', async () => {
    await bring(key);
    const before = (await mesh.untilPeer('ada', is('Programmed'))).status?.presharedKeyVersion;
    const isChanged = ({ status }: MeshPeer) => status?.presharedKeyVersion !== before;
    const [second, third] = [newKey(), newKey()];
    await addSecret('ada-psk-2', 'team-a/ada', second);
    const target = { name: 'ada', namespace: 'team-a' };
    await mesh.client.patch(meshPeerType, target, { spec: { presharedKeySecretName: 'ada-psk-2' } });
    await bring(second);
    await mesh.untilPeer('ada', (peer) => isChanged(peer) && is('Programmed')(peer));
    expect(inKernel('ada')?.presharedKey).toBe(second);
    await changeSecret('ada-psk-2', { data: { presharedKey: base64(third) } });
    await bring(third);
    await untilNode(() => inKernel('ada')?.presharedKey === third);
    await mesh.client.delete(secretType, { name: 'ada-psk', namespace: NAMESPACE });
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', is('Programmed'));
    expect((await mounted()).size).toBe(1);
    expect(inKernel('ada')?.presharedKey).toBe(third);
  });

  test("is found as it is by an agent that starts again, and stays when only the Secret's annotations change", async () => {
    await bring(key);
    await mesh.untilPeer('ada', is('Programmed'));
    const before = (await mesh.client.get(meshPeerType, 'ada', 'team-a'))?.status?.presharedKeyVersion;
    const { host } = node;
    const done = host.applied.length;
    await node.stop();
    node = await mesh.startNode('node-a', host);
    await changeSecret('ada-psk', { metadata: { annotations: { 'example.com/seen': 'yes' } } });
    const { status } = await mesh.untilPeer('ada', (peer) => peer.status?.presharedKeyVersion !== before);
    const version = status?.presharedKeyVersion ?? '';
    await expect.poll(async () => (await mounted()).has(version), { interval: 5, timeout: 8_000 }).toBe(true);
    await mesh.untilPeer('ada', has('Programmed', 'WaitingForPresharedKey'));
    await bring(key);
    await mesh.untilPeer('ada', is('Programmed'));
    expect(host.applied.slice(done)).toEqual([]);
  });

  test('loses it only when the operator has said so', async () => {
    await bring(key);
    await mesh.untilPeer('ada', is('Programmed'));
    await mesh.client.patch(
      meshPeerType,
      { name: 'ada', namespace: 'team-a' },
      { spec: { presharedKeySecretName: null } },
    );
    await mesh.untilPeer('ada', (peer) => peer.status?.presharedKeyVersion === undefined && is('Programmed')(peer));
    expect(inKernel('ada')).toMatchObject({ presharedKey: undefined });
    await bring();
  });

  test('costs nobody else anything, and nothing of the key stands anywhere but in Secrets', async () => {
    await bring(key);
    await mesh.addPeer('bob');
    const [ada, bob] = [await mesh.untilPeer('ada', is('Programmed')), await mesh.untilPeer('bob', is('Programmed'))];
    expect(inKernel('bob')?.presharedKey).toBeUndefined();
    const { items: reports } = await mesh.client.list(meshGatewayNodeType);
    expect(reports).toHaveLength(1);
    expect(JSON.stringify([ada, bob, reports, mesh.happened])).not.toContain(key.slice(0, 20));
  });
});

describe('a Secret that is no use', () => {
  const refusedFor = async (reason: string): Promise<Condition> => {
    const peer = await mesh.untilPeer('ada', has('Accepted', reason));
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', is('Programmed'));
    expect(inKernel('ada')).toBeUndefined();
    expect(mesh.happened.map((event) => event.reason)).toContain(reason);
    return findCondition(peer.status?.conditions ?? [], 'Accepted') as Condition;
  };

  test.each<[string, string, () => Promise<unknown>]>([
    ['is not there', 'PresharedKeyNotFound', async () => undefined],
    [
      'is of another type, as that of a gateway is',
      'PresharedKeyNotFound',
      () => addSecret('ada-psk', 'team-a/ada', newKey(), 'Opaque'),
    ],
    ["is another's", 'PresharedKeyNotGranted', () => addSecret('ada-psk', 'team-a/eve', newKey())],
    ['holds no key', 'PresharedKeyInvalid', () => addSecret('ada-psk', 'team-a/ada', 'secret words')],
    ['holds zeros', 'PresharedKeyInvalid', () => addSecret('ada-psk', 'team-a/ada', `${'A'.repeat(43)}=`)],
  ])('%s: the peer is refused, and nobody else', async (_what, reason, make) => {
    await make();
    await mesh.addPeer('ada', { presharedKeySecretName: 'ada-psk' });
    const { message } = await refusedFor(reason);
    expect(message).toContain('kubectl -n sallyport-system');
    expect(message).not.toMatch(/secret words|team-a\/eve/);
  });

  test('is mended, and the peer is let in', async () => {
    await addSecret('ada-psk', 'team-a/eve', 'nonsense');
    await mesh.addPeer('ada', { presharedKeySecretName: 'ada-psk' });
    await mesh.untilPeer('ada', has('Accepted', 'PresharedKeyNotGranted'));
    await changeSecret('ada-psk', { metadata: { annotations: { [PEER_ANNOTATION]: 'team-a/ada' } } });
    await mesh.untilPeer('ada', has('Accepted', 'PresharedKeyInvalid'));
    const key = newKey();
    await changeSecret('ada-psk', { data: { presharedKey: base64(key) } });
    await bring(key);
    await mesh.untilPeer('ada', is('Programmed'));
  });
});

describe('the Secret of a gateway', () => {
  test('is not there while nobody has a preshared key', async () => {
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', is('Programmed'));
    expect(await mesh.client.get(secretType, presharedKeysName('default'), NAMESPACE)).toBeUndefined();
  });

  test('goes with its gateway, and is made again when somebody deletes it', async () => {
    const key = newKey();
    await addSecret('ada-psk', 'team-a/ada', key);
    await mesh.addPeer('ada', { presharedKeySecretName: 'ada-psk' });
    await bring(key);
    const name = presharedKeysName('default');
    expect(await mesh.client.get(secretType, name, NAMESPACE)).toMatchObject({
      type: PRESHARED_KEYS_TYPE,
      metadata: { ownerReferences: [{ kind: 'MeshGateway', name: 'default' }] },
    });
    await mesh.client.delete(secretType, { name, namespace: NAMESPACE });
    await bring(key);
  });

  test('is fetched at once: the pod of a node that waits is touched', async () => {
    await mesh.client.create(podType, { metadata: { name: 'agent-node-a', namespace: NAMESPACE } });
    await addSecret('ada-psk', 'team-a/ada', newKey());
    await mesh.addPeer('ada', { presharedKeySecretName: 'ada-psk' });
    const isTouched = ({ metadata }: Pod) => metadata.annotations?.[AWAITED_ANNOTATION] !== undefined;
    await mesh.until(podType, `${NAMESPACE}/agent-node-a` as never, isTouched);
  });
});

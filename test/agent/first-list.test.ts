import { expect, test } from 'vitest';
import { confirmFirstList } from '../../src/agent/first-list.ts';
import { isTrue } from '../../src/api/conditions.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import type { ObservedPeer } from '../../src/dataplane/wireguard/device.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { aMember } from '../support/builders.ts';
import { SmallMesh } from '../support/small-mesh.ts';

const MEMBERS = Array.from({ length: 24 }, (_, index) => aMember({ name: `peer-${index}` }));
const held = new Map(
  MEMBERS.map(({ spec: { publicKey } }) => [publicKey as PublicKey, { publicKey } as unknown as ObservedPeer]),
);

test.each<[string, number, number, number, 'believed' | 'refused']>([
  ['has all', 24, 24, 0, 'believed'],
  ['leaves out half of them', 12, 24, 0, 'believed'],
  ['leaves out more, of whom the API server knows nothing either', 11, 11, 1, 'believed'],
  ['leaves out more, of whom the API server has one', 11, 12, 1, 'refused'],
  ['is empty, and the API server has all', 0, 24, 1, 'refused'],
])('a first list that %s', async (_, first, second, asked, outcome) => {
  let questions = 0;
  const list = async () => {
    questions += 1;
    return { items: MEMBERS.slice(0, second), resourceVersion: '1' };
  };
  const listed: readonly MeshPeer[] = MEMBERS.slice(0, first);
  const told = await confirmFirstList({ gateway: 'default', held, listed, now: 0 }, { list: list as never }).then(
    () => 'believed',
    () => 'refused',
  );
  expect([told, questions]).toEqual([outcome, asked]);
});

test('an agent that begins with a list without devices ends, and its node keeps them', async () => {
  const mesh = await SmallMesh.start();
  try {
    mesh.startOperator();
    await mesh.addGateway();
    const names = MEMBERS.map(({ metadata }) => metadata.name);
    for (const name of names) await mesh.addPeer(name);
    const node = await mesh.startNode('node-a');
    for (const name of names)
      await mesh.untilPeer(name, ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'));
    await node.stop();
    const before = new Set(node.host.state.device?.peers.keys());
    mesh.server.fault({ when: 'streaming-list', path: '/meshpeers', times: 1, action: { kind: 'refuse', code: 422 } });
    const text = JSON.stringify({ metadata: { resourceVersion: `${mesh.server.nextVersion()}` }, items: [] });
    mesh.server.fault({ method: 'GET', when: 'list', path: '/meshpeers', times: 1, action: { kind: 'answer', text } });
    const again = await mesh.startNode('node-a', node.host);
    await expect(again.ended).rejects.toThrow(/left out 2\d of 2\d peers .* nobody is put out/);
    expect(new Set(node.host.state.device?.peers.keys())).toEqual(before);
  } finally {
    await mesh.stop();
  }
});

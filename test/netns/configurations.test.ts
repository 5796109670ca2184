import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Running } from '../../src/host/exec.ts';
import { because } from '../support/because.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import { startProgram } from './mesh.ts';

const GATEWAY = '10.213.0.1,fd5a:213::1';
const DEVICES = '10.213.0.16,10.213.0.17,fd5a:213::16,fd5a:213::17';
const ASK = 'get http://10.213.0.1:51840/';
const ASK_BY_IPV6 = 'get http://[fd5a:213::1]:51840/';

describe.skipIf(missing)(`where a laptop asks for its configuration${because(missing)}`, () => {
  let cluster: TestCluster;
  let answering: Running;
  const alice = (question: string) => cluster.alice.namespace.ask(question).then(({ answer }) => answer);
  const bob = (question: string) => cluster.bob.namespace.ask(question).then(({ answer }) => answer);

  beforeAll(async () => {
    cluster = await TestCluster.create('nftables');
    answering = await startProgram(cluster.gateway.namespace.commands, `configurations.ts ${GATEWAY} ${DEVICES}`);
  });
  afterAll(async () => {
    await answering?.stop();
    await cluster?.dispose();
  });

  test('each gets its own, over both families', async () => {
    await expect.poll(() => alice(ASK)).toEqual({ own: '10.213.0.16' });
    await expect.poll(() => alice(ASK_BY_IPV6)).toEqual({ own: 'fd5a:213::16' });
    expect(await bob(ASK)).toEqual({ own: '10.213.0.17' });
    expect(await bob(ASK_BY_IPV6)).toEqual({ own: 'fd5a:213::17' });
  });

  test('so it does where access is denied by default, and still reaches nothing else of the node', async () => {
    await cluster.gateway.sync(cluster.plan({ accessDefault: 'Deny' }));
    expect(await alice(ASK)).toEqual({ own: '10.213.0.16' });
    expect(await alice(ASK_BY_IPV6)).toEqual({ own: 'fd5a:213::16' });
    expect(await alice('tcp 10.213.0.1 10250')).toBe('ECONNREFUSED');
    await cluster.gateway.sync(cluster.plan());
  });

  test.each([
    ["the same port at the node's own address", 'tcp 10.1.0.1 51840'],
    ["another port at the gateway's mesh address", 'tcp 10.213.0.1 51841'],
    ["kubelet at the gateway's mesh address", 'tcp 10.213.0.1 10250'],
    ["kubelet at the gateway's IPv6 address", 'tcp fd5a:213::1 10250'],
  ])('%s is refused', async (_what, question) => {
    expect(await alice(question)).toBe('ECONNREFUSED');
  });

  test('a laptop that takes the address of another one gets nothing', async () => {
    await cluster.alice.namespace.run('ip address add 10.213.0.17/32 dev wg0');
    await cluster.alice.namespace.run('ip route replace 10.213.0.1/32 dev wg0 src 10.213.0.17');
    expect(await alice('tcp 10.213.0.1 51840')).toBe('timeout');
    await cluster.alice.namespace.run('ip route delete 10.213.0.1/32');
    await cluster.alice.namespace.run('ip address delete 10.213.0.17/32 dev wg0');
    expect(await alice(ASK)).toEqual({ own: '10.213.0.16' });
  });

  test('a pod and the node itself get a sentence, and no configuration', async () => {
    await cluster.backend.run('ip route replace 10.213.0.0/16 via 10.1.0.1');
    for (const namespace of [cluster.backend, cluster.gateway.namespace])
      expect((await namespace.ask(ASK)).answer).toEqual({ bytes: expect.any(Number) });
  });

  test('nobody is listening: it is refused at once, by which a laptop knows that the path is good', async () => {
    await answering.stop();
    const { answer, ms } = await cluster.alice.namespace.ask('tcp 10.213.0.1 51840');
    expect(answer).toBe('ECONNREFUSED');
    // What is lost is sent again after a second.
    expect(ms).toBeLessThan(900);
    answering = await startProgram(cluster.gateway.namespace.commands, `configurations.ts ${GATEWAY} ${DEVICES}`);
    await expect.poll(() => alice(ASK)).toEqual({ own: '10.213.0.16' });
  });

  test('they are answered again once an interface that somebody deleted is back', async () => {
    await cluster.gateway.namespace.run(`ip link delete ${PLAN_NAMES.device}`);
    await cluster.gateway.sync(cluster.plan());
    await cluster.shakeHands(cluster.alice);
    await expect.poll(() => alice(ASK)).toEqual({ own: '10.213.0.16' });
    await expect.poll(() => alice(ASK_BY_IPV6)).toEqual({ own: 'fd5a:213::16' });
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Device, type Mesh, startMesh, until } from './mesh.ts';

/**
 * What a tired person reads first. Each text is printed whole, so that whoever changes a sentence sees it where it is read, and
 * must hold the answer: what is wrong, with which object, and what to do.
 */

let mesh: Mesh;
let ada: Device;

beforeAll(async () => {
  mesh = await startMesh('describe');
  ada = await mesh.addDevice('ada');
  const laptop = await mesh.cluster.addLaptop('ada');
  await mesh.join(laptop, ada);
  await mesh.untilPeer(ada, 'Connected');
});

afterAll(() => mesh?.cluster.stop());

/** `kubectl describe`, printed, once it says all of this; line breaks count as spaces. */
async function expectDescription(words: readonly string[], answers: readonly string[]): Promise<void> {
  const look = () => mesh.cluster.kubectl(['describe', ...words]);
  const isAnswer = (text: string) => answers.every((answer) => text.replace(/\s+/g, ' ').includes(answer));
  const text = await until(answers.join(' / '), look, isAnswer, 60);
  console.log(`$ kubectl describe ${words.join(' ')}\n${text}`);
  expect(text).not.toMatch(/privateKey|undefined|\[object/);
}

describe('what works', () => {
  test('a gateway', () =>
    expectDescription(
      ['meshgateway', 'default'],
      [
        '2 of 2 nodes let devices reach Services',
        'All 2 nodes hold what the resources say',
        'Probes reach Services',
        'ServiceCIDR kubernetes',
        'Normal Ready',
      ],
    ));

  test('a device', () =>
    expectDescription(
      ['meshpeer', 'ada', '-n', 'demo'],
      ['Let in by default as 10.213.', 'On 2 of 2 nodes.', 'Connected to node node-', '[Interface]', 'Normal Accepted'],
    ));

  test('a node', () =>
    expectDescription(
      ['meshgatewaynode', 'default.node-1', '-n', 'sallyport-system'],
      [
        'served by wireguard-go because',
        'The node forwards packets',
        'The kernel holds what the resources say',
        'A probe shook hands',
      ],
    ));
});

describe('what is broken', () => {
  test('a device with a key that another one has', async () => {
    await mesh.applyDevice({ ...ada, name: 'copy' });
    await expectDescription(
      ['meshpeer', 'copy', '-n', 'demo'],
      ['DuplicateKey', 'MeshPeer demo/ada', 'sallyport key', 'Warning DuplicateKey'],
    );
  });

  test('a device whose time is over', async () => {
    await mesh.addDevice('old', { expiresAt: '2026-01-01T00:00:00Z' });
    await expectDescription(
      ['meshpeer', 'old', '-n', 'demo'],
      ['Expired', 'spec.expiresAt (2026-01-01T00:00:00Z) has passed; set a later time, or delete'],
    );
  });

  test('a device at a gateway that does not exist', async () => {
    await mesh.addDevice('lost', { gateways: ['office'] });
    await expectDescription(
      ['meshpeer', 'lost', '-n', 'demo'],
      ['GatewayNotFound', 'spec.gateways names office, which does not exist', 'default'],
    );
  });

  test('a gateway on nodes that another one serves', async () => {
    await mesh.apply({
      apiVersion: 'sallyport.dev/v1alpha1',
      kind: 'MeshGateway',
      metadata: { name: 'second' },
      spec: {},
    });
    await expectDescription(
      ['meshgateway', 'second'],
      [
        'NodesTaken',
        'MeshGateway default already serves nodes node-1, node-2',
        'give the two different spec.nodeSelector',
      ],
    );
    await mesh.cluster.kubectl(['delete', 'meshgateway', 'second']);
  });

  test('a gateway that nobody can dial', async () => {
    await mesh.cluster.kubectl([
      'patch',
      'meshgateway',
      'default',
      '--type=merge',
      '-p',
      '{"spec":{"endpoint":{"service":{"type":"LoadBalancer"}}}}',
    ]);
    await expectDescription(['meshgateway', 'default'], ['NoEndpoint', 'spec.endpoint.hosts']);
    await mesh.cluster.kubectl([
      'patch',
      'meshgateway',
      'default',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/spec/endpoint/service"}]',
    ]);
    await mesh.untilGateway('default', 'Ready');
  });

  test('a cluster without its DNS', async () => {
    await mesh.cluster.kubectl(['-n', 'kube-system', 'scale', 'deployment/coredns', '--replicas=0']);
    await expectDescription(
      ['meshgateway', 'default'],
      ['ServicesUnreachable', 'On nodes node-1, node-2: DNS server 10.96.0.10', 'Are the DNS pods Ready'],
    );
    await expectDescription(
      ['meshgatewaynode', 'default.node-1', '-n', 'sallyport-system'],
      ['DNSFailed', 'DNS server 10.96.0.10'],
    );
  });
});

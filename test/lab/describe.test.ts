import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentOf } from './gateway-node.ts';
import { type Device, type Mesh, must, RELEASE, startMesh, until } from './mesh.ts';

/**
 * What a tired person reads first. Each text is printed whole, so that whoever changes a sentence sees it where it is read, and
 * must hold the answer: what is wrong, with which object, and what to do.
 */

const OWN = ['-n', RELEASE.namespace];

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

/** Docker's policy, on a node whose own pods go on: only what comes from the mesh or goes there meets no rule. */
const FORWARD_DROP = `table ip filter {
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
    iifname != "wg-default" oifname != "wg-default" accept
  }
}
`;

/** What kubectl prints, once it says all of this; line breaks count as spaces. */
async function expectText(words: readonly string[], answers: readonly string[]): Promise<void> {
  const look = () => mesh.cluster.kubectl(words);
  const isAnswer = (text: string) => answers.every((answer) => text.replace(/\s+/g, ' ').includes(answer));
  const text = await until(answers.join(' / '), look, isAnswer, 60);
  console.log(`$ kubectl ${words.join(' ')}\n${text}`);
  expect(text).not.toMatch(/privateKey:|PrivateKey =|undefined|\[object/);
}

const expectDescription = (words: readonly string[], answers: readonly string[]) =>
  expectText(['describe', ...words], answers);

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

  test('and no Warning was told on the way there', async () => {
    const warnings = [
      'get',
      'events',
      '-n',
      'default',
      '--field-selector',
      'type=Warning,involvedObject.kind=MeshGateway',
    ];
    const told = await mesh.cluster.kubectl([
      ...warnings,
      '-o',
      'jsonpath={range .items[*]}{.reason}: {.message}{end}',
    ]);
    expect(told).toBe('');
  });

  test('a device', () =>
    expectDescription(
      ['meshpeer', 'ada', '-n', 'demo'],
      ['Let in by default as 10.213.', 'On 2 of 2 nodes.', 'Connected to node node-', '[Interface]', 'Normal Accepted'],
    ));

  test('a node', () =>
    expectDescription(
      ['meshgatewaynode', 'default.node-1', ...OWN],
      [
        'served by wireguard-go because',
        'The node forwards packets',
        'The kernel holds what the resources say',
        'A probe shook hands',
      ],
    ));
});

describe('a device that is not let in', () => {
  test('because another one has its key', async () => {
    await mesh.applyDevice({ ...ada, name: 'copy' });
    await expectDescription(
      ['meshpeer', 'copy', '-n', 'demo'],
      ['DuplicateKey', 'MeshPeer demo/ada', 'sallyport key', 'Warning DuplicateKey'],
    );
  });

  test('because its time is over', async () => {
    await mesh.addDevice('old', { expiresAt: '2026-01-01T00:00:00Z' });
    await expectDescription(
      ['meshpeer', 'old', '-n', 'demo'],
      ['spec.expiresAt (2026-01-01T00:00:00Z) has passed; set a later time, or delete', 'Warning Expired'],
    );
  });

  test('because its gateway does not exist', async () => {
    await mesh.addDevice('lost', { gateways: ['office'] });
    await expectDescription(
      ['meshpeer', 'lost', '-n', 'demo'],
      ['spec.gateways names office, which does not exist', 'default', 'Warning GatewayNotFound'],
    );
  });

  test('in the list of all devices', () =>
    expectText(['get', 'meshpeers', '-n', 'demo'], ['ada True True True 10.213.', 'DuplicateKey', 'GatewayNotFound']));
});

describe('a gateway that does not serve', () => {
  const remove = (name: string) => mesh.cluster.kubectl(['delete', 'meshgateway', name]);

  test('because another one has its nodes', async () => {
    await mesh.addGateway('second', {});
    await expectDescription(
      ['meshgateway', 'second'],
      [
        'MeshGateway default already serves nodes node-1, node-2',
        'give the two different spec.nodeSelector',
        'Warning NodesTaken',
      ],
    );
    await remove('second');
  });

  test('because no node is selected', async () => {
    await mesh.addGateway('nowhere', { nodeSelector: { 'example.com/no': 'such' } });
    await expectDescription(
      ['meshgateway', 'nowhere'],
      ['No Linux node matches spec.nodeSelector and spec.tolerations; label a node', 'Warning NotProgrammed'],
    );
    await remove('nowhere');
  });

  test('because nobody can dial it', async () => {
    await mesh.patchGateway('default', { endpoint: { service: { type: 'LoadBalancer' } } });
    await expectDescription(
      ['meshgateway', 'default'],
      ['Service sallyport-default has no address', 'set spec.endpoint.hosts', 'Warning NoEndpoint'],
    );
    await mesh.patchGateway('default', { endpoint: { service: null } });
    await mesh.untilGateway('default', 'Ready');
  });

  test('because the cluster has no DNS', async () => {
    const remedy = 'Are the DNS pods Ready (kubectl get pods -n kube-system';
    await mesh.cluster.kubectl(['-n', 'kube-system', 'scale', 'deployment/coredns', '--replicas=0']);
    await expectDescription(
      ['meshgateway', 'default'],
      ['DNS server 10.96.0.10 is refused by', remedy, 'Warning ServicesUnreachable'],
    );
    await expectDescription(
      ['meshgatewaynode', 'default.node-1', ...OWN],
      ['DNSFailed', 'DNS server 10.96.0.10', remedy],
    );
    await expectText(['get', 'meshgateways'], ['default False ServicesUnreachable 2 0']);
    await expectText(['get', 'meshgatewaynodes', ...OWN], ['node-1 Userspace True False DNSFailed']);
    await mesh.scale('coredns', 2, 'kube-system');
    await mesh.untilGateway('default', 'Ready');
  });
});

describe('a node that does not serve', () => {
  test('because the FORWARD chain of somebody else drops', async () => {
    const node = mesh.cluster.node('node-2');
    must(await node.exec(['nft', '-f', '-'], { input: FORWARD_DROP }));
    const place = 'table ip filter, chain FORWARD.';
    const remedy = 'iptables -I FORWARD -i wg-default -j ACCEPT; iptables -I FORWARD -o wg-default -j ACCEPT';
    await expectDescription(['meshgatewaynode', 'default.node-2', ...OWN], ['ForeignFirewall', place, remedy]);
    await expectDescription(['meshgateway', 'default'], ['On node node-2: ', place, remedy, 'Not through node-2']);
    for (const way of ['iifname', 'oifname'])
      must(await node.exec(['nft', 'insert', 'rule', 'ip', 'filter', 'FORWARD', way, 'wg-default', 'accept']));
    await expectDescription(
      ['meshgatewaynode', 'default.node-2', ...OWN],
      ['The node forwards packets', 'A probe shook'],
    );
    must(await node.exec(['nft', 'delete', 'table', 'ip', 'filter']));
    await mesh.untilGateway('default', 'Ready');
  });

  test('because another program has its UDP port', async () => {
    const bind = "require('node:dgram').createSocket('udp4').bind(51849)";
    const node = mesh.cluster.node('node-2');
    const holder = node.exec(['timeout', '110', process.execPath, '-e', bind]);
    await mesh.patchGateway('default', { listenPort: 51849 });
    const problem = 'The UDP port 51849 is taken by another program of this node';
    await expectDescription(
      ['meshgatewaynode', 'default.node-2', ...OWN],
      ['PortBusy', problem, "ss -lunp 'sport = :51849'", 'set another spec.listenPort'],
    );
    await expectDescription(['meshgateway', 'default'], [`On node node-2: ${problem}`, 'Not through node-2']);
    await node.exec(['pkill', '-f', 'bind.51849']);
    await holder;
    await mesh.untilGateway('default', 'Programmed');
    await mesh.patchGateway('default', { listenPort: null });
    await mesh.untilGateway('default', 'Ready');
  });

  test('because it is no longer selected, and its agent was killed before it had cleaned up', async () => {
    await mesh.untilRolled();
    const node = mesh.cluster.node('node-2');
    await mesh.cluster.kubectl(['label', 'node', 'node-1', 'example.com/gateway=yes']);
    // An agent that hangs does not hear that it should end.
    const agent = (await agentOf(node)) ?? '';
    must(await node.exec(['kill', '-STOP', agent]));
    await mesh.patchGateway('default', { nodeSelector: { 'example.com/gateway': 'yes' } });
    await expectDescription(
      ['meshgateway', 'default'],
      ['Warning NodeAbandoned', 'Node node-2 no longer serves this gateway', '1 of 1 nodes let devices reach Services'],
    );
    const shown = ['ip link show wg-default', 'nft list table inet sallyport_default'].map((words) => words.split(' '));
    await until(
      'node-2 without the gateway’s interface and table',
      () => Promise.all(shown.map((words) => node.exec(words))),
      (answers) => answers.every(({ code }) => code !== 0),
    );
    await until(
      'neither a report nor a Job of node-2',
      () => mesh.cluster.kubectl(['get', 'meshgatewaynodes,jobs,leases', ...OWN, '-o', 'name']),
      (names) => !/default.node-2|leave/.test(names),
    );
    // Otherwise the kubelet waits for it as long as it may, and for so long no other agent comes.
    await node.exec(['kill', '-KILL', agent]);
  });

  test('because something of another kind has the name of its interface', async () => {
    const node = mesh.cluster.node('node-2');
    must(await node.exec(['ip', 'link', 'add', 'wg-default', 'type', 'bridge']));
    await mesh.cluster.kubectl(['label', 'node', 'node-2', 'example.com/gateway=yes']);
    const problem = 'The interface wg-default exists and is of type bridge, not WireGuard';
    const remedy = 'rename or remove it on the node (ip link)';
    await expectDescription(['meshgatewaynode', 'default.node-2', ...OWN], [problem, remedy]);
    await expectDescription(['meshgateway', 'default'], [`On node node-2: ${problem}`, 'Not through node-2']);
    must(await node.exec(['ip', 'link', 'delete', 'wg-default']));
    await mesh.untilGateway('default', 'Programmed');
  });

  test('because its agent has not been heard of', async () => {
    // Until its next sign of life.
    await mesh.cluster.kubectl([...OWN, 'delete', 'lease', 'default.node-2']);
    await expectDescription(
      ['meshgateway', 'default'],
      [
        'No agent answers on node-2 (1 of 2 nodes are up)',
        'kubectl get nodes',
        'sallyport.dev/gateway=default',
        'Not through node-2',
      ],
    );
  });

  test('because its kernel has no WireGuard, and nothing else is allowed', async () => {
    await mesh.patchGateway('default', { dataplane: 'Kernel' });
    const problem = "This node's kernel has no WireGuard, which spec.dataplane asks for; load the module on the node";
    await expectDescription(['meshgatewaynode', 'default.node-1', ...OWN], ['WireGuardUnavailable', problem]);
    await expectDescription(
      ['meshgateway', 'default'],
      [`On nodes node-1, node-2: ${problem}`, 'set spec.dataplane to Auto', 'Warning NotProgrammed'],
    );
  });
});

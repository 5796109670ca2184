import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { CONFIGURATION_PORT } from '../../src/mesh/client-configuration.ts';
import { samplesOf } from '../support/metrics-page.ts';
import { API_PORT, SITE } from './addresses.ts';
import { DEVICE } from './gateway-node.ts';
import { type Door, type Heard, knock, Listener } from './knock.ts';
import type { Laptop } from './laptop.ts';
import { type Mesh, must, RELEASE, startMesh, until } from './mesh.ts';
import type { KubeProxyMode, LabNode } from './node.ts';

const MODES: readonly KubeProxyMode[] = ['nftables', 'iptables'];
const AT_ONCE_MS = 1000;
const GATEWAY = '10.213.0.1';
const WIREGUARD_PORT = 51840;
const KUBELET_PORT = 10250;
const HEALTH_PORT = 9841;
const METRICS_PORT = 9842;
/** Where the nodes listen as an SSH server does, and the laptops as a colleague's development server. */
const SSH_PORT = 22;
const COLLEAGUE_PORT = 3000;
const PROTOCOLS = ['tcp', 'udp'] as const;

/** A laptop that sends whatever comes from its mesh address through the tunnel, as one with ill intent would. */
interface Member {
  readonly laptop: Laptop;
  readonly address: string;
  readonly listener: Listener;
}

let mesh: Mesh;
let ada: Member;
let bob: Member;
let service: string;
const listeners: Listener[] = [];

beforeAll(async () => {
  // As where Prometheus reads the agents: devices must not, though the port is open on the node's address.
  mesh = await startMesh('isolation', 'mixed', { values: ['metrics.agents.listen=Node'] });
  service = await mesh.serviceAddress('hello-node-2');
  ada = await enter('ada');
  bob = await enter('bob');
  for (const node of mesh.cluster.nodes) listeners.push(await Listener.start(node, SSH_PORT));
  await mesh.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'deserted', namespace: 'demo' },
    spec: { selector: { app: 'nobody' }, ports: [{ port: 80 }] },
  });
});

afterAll(async () => {
  await Promise.all([...listeners, ada?.listener, bob?.listener].map((listener) => listener?.stop()));
  await mesh?.cluster.stop();
});

describe.each(MODES)('in kube-proxy’s %s mode a device', (mode) => {
  beforeAll(async () => {
    if (mesh.cluster.kubeProxyMode !== mode) await mesh.cluster.setKubeProxyMode(mode);
    const served = PROTOCOLS.map((protocol) => fromMesh(ada, protocol, service, 80));
    await until('an answer of a Service', () => knock(ada.laptop, served), all('open'));
  });

  test('reaches Services, the API server as one of them, and pings its gateway', async () => {
    const doors = [service, await mesh.serviceAddress('hello-node-1')].flatMap((address) =>
      PROTOCOLS.map((protocol) => fromMesh(ada, protocol, address, 80)),
    );
    doors.push(fromMesh(ada, 'tcp', SITE.apiService, 443));
    expect(answers(await knock(ada.laptop, doors))).toEqual(['open']);
    must(await ada.laptop.exec(['ping', '-c1', '-W2', GATEWAY]));
  });

  test.each([
    ['a second one', () => [ada, bob] as const],
    ['the first one from the second', () => [bob, ada] as const],
  ])('does not reach %s by TCP, UDP or ping', async (_, pair) => {
    const [from, to] = pair();
    to.listener.callers();
    const [tcp, udp] = await knock(from.laptop, [
      fromMesh(from, 'tcp', to.address, COLLEAGUE_PORT),
      fromMesh(from, 'udp', to.address, COLLEAGUE_PORT),
    ]);
    expectRefusedAtOnce(tcp);
    expect(udp?.answer).not.toBe('open');
    const ping = await from.laptop.exec(['ping', '-c1', '-W1', '-I', from.address, to.address]);
    expect(ping.stdout).toContain(' 0 received');
    expect(to.listener.callers()).toEqual([]);
    // The listener would have answered: it does so on the network that both laptops stand in.
    const doors = PROTOCOLS.map((protocol) => ({ protocol, address: to.laptop.address, port: COLLEAGUE_PORT }));
    expect(answers(await knock(from.laptop, doors))).toEqual(['open']);
    expect(to.listener.callers().sort()).toEqual([`tcp ${from.laptop.address}`, `udp ${from.laptop.address}`]);
  });

  test('is reached by no pod', async () => {
    ada.listener.callers();
    for (const node of mesh.cluster.nodes) {
      const argv = ['curl', '-sS', '--max-time', '3', `http://${ada.address}:${COLLEAGUE_PORT}/`];
      const pod = ['-n', 'demo', 'exec', `deployment/hello-${node.name}`, '--'];
      const { code, stderr } = await mesh.cluster.tryKubectl([...pod, ...argv]);
      expect({ code, stderr }).toMatchObject({ code: 7, stderr: expect.stringContaining('Failed to connect') });
    }
    expect(ada.listener.callers()).toEqual([]);
  });

  test.each(['node-1', 'node-2'])('reaches no port of %s, on whichever address', async (name) => {
    const node = mesh.cluster.node(name);
    const [addresses, tcp, udp] = [await addressesOf(node), await portsOf(node, 'tcp'), await portsOf(node, 'udp')];
    expect(addresses).toEqual(expect.arrayContaining([node.address, GATEWAY, node.podCidr.replace('.0/24', '.1')]));
    expect(tcp).toEqual(expect.arrayContaining([SSH_PORT, KUBELET_PORT, HEALTH_PORT, METRICS_PORT]));
    expect(udp).toEqual(expect.arrayContaining([SSH_PORT, WIREGUARD_PORT]));
    const all = addresses.flatMap((address) => tcp.map((port) => fromMesh(ada, 'tcp', address, port)));
    // The one door that there is: it tells a device what is its own.
    const own = ({ address, port }: Door) => address === GATEWAY && port === CONFIGURATION_PORT;
    expect(answers(await knock(ada.laptop, all.filter(own)))).toEqual(['open']);
    const doors = all.filter((door) => !own(door));
    for (const [index, heard] of (await knock(ada.laptop, doors)).entries())
      expectRefusedAtOnce(heard, `port ${doors[index]?.port} of ${doors[index]?.address}`);
    const others = addresses.flatMap((address) => udp.map((port) => fromMesh(ada, 'udp', address, port)));
    expect(answers(await knock(ada.laptop, others))).not.toContain('open');
    // Outside of the tunnel they are open.
    const open = [SSH_PORT, KUBELET_PORT, METRICS_PORT].map(
      (port) => ({ protocol: 'tcp', address: node.address, port }) as const,
    );
    const echo = { protocol: 'udp', address: node.address, port: SSH_PORT } as const;
    expect(answers(await knock(ada.laptop, [...open, echo]))).toEqual(['open']);
  });

  test.each(['node-1', 'node-2'])(
    'is told at once that WireGuard of %s is not to be reached inside of it',
    async (name) => {
      // A kernel refuses by ICMP once a second only, so the first answers may be missing.
      for (const address of [GATEWAY, mesh.cluster.node(name).address]) {
        const door = fromMesh(ada, 'udp', address, WIREGUARD_PORT);
        await until(`a refusal of ${address}`, () => knock(ada.laptop, [door]), all('EHOSTUNREACH'), 20);
      }
    },
  );

  test('reaches neither pods nor the API server’s machine directly', async () => {
    const pods = await podAddresses();
    expect(pods).toHaveLength(2);
    const doors = pods.map((address) => fromMesh(ada, 'tcp', address, 8080));
    doors.push(fromMesh(ada, 'tcp', SITE.controlPlane, API_PORT));
    for (const heard of await knock(ada.laptop, doors)) expectRefusedAtOnce(heard);
    const datagrams = pods.map((address) => fromMesh(ada, 'udp', address, 8080));
    expect(answers(await knock(ada.laptop, datagrams))).not.toContain('open');
    // To those who may they are open.
    const inside = [...doors.slice(0, pods.length), ...datagrams].map(({ source: _, ...door }) => door);
    expect(answers(await knock(mesh.cluster.node('node-1'), inside))).toEqual(['open']);
    const api = { protocol: 'tcp', address: SITE.controlPlane, port: API_PORT } as const;
    expect(answers(await knock(ada.laptop, [api]))).toEqual(['open']);
  });

  test('is refused at once where nobody serves', async () => {
    const doors = [
      fromMesh(ada, 'tcp', '10.96.200.200', 80),
      fromMesh(ada, 'tcp', service, 81),
      fromMesh(ada, 'tcp', await mesh.serviceAddress('deserted'), 80),
    ];
    for (const heard of await knock(ada.laptop, doors)) expectRefusedAtOnce(heard);
  });

  test('cannot send as somebody else', async () => {
    const others = [bob.address, '10.213.200.200', GATEWAY, '172.30.0.250', '10.244.1.77'];
    const sources = [ada.address, ...others];
    for (const source of others) must(await ada.laptop.exec(['ip', 'address', 'add', `${source}/32`, 'dev', 'mesh']));
    try {
      for (const node of mesh.cluster.nodes) must(await node.exec(['nft', '-f', '-'], { input: WITNESS }));
      const doors = sources.map((source) => ({ protocol: 'udp', address: service, port: 80, source }) as const);
      const heard = await knock(ada.laptop, doors);
      expect(heard.map(({ answer }) => answer)).toEqual(['open', ...others.map(() => 'silence')]);
      const seen = (await Promise.all(mesh.cluster.nodes.map(sourcesSeen))).flat();
      expect(seen).toContain(ada.address);
      expect(seen.filter((source) => others.includes(source))).toEqual([]);
    } finally {
      for (const node of mesh.cluster.nodes) await node.exec(['nft', 'delete', 'table', 'inet', 'lab_witness']);
      for (const source of others) await ada.laptop.exec(['ip', 'address', 'delete', `${source}/32`, 'dev', 'mesh']);
    }
  });
});

describe('what Prometheus would read', () => {
  const TRAFFIC = 100_000;

  /** A page as a pod on node-1 gets it. */
  async function page(address: string): Promise<Readonly<Record<string, number>>> {
    const curl = ['curl', '-sS', '--fail', '--max-time', '5', `http://${address}:${METRICS_PORT}/metrics`];
    const pod = ['-n', 'demo', 'exec', 'deployment/hello-node-1', '--'];
    return Object.fromEntries(samplesOf(await mesh.cluster.kubectl([...pod, ...curl])));
  }

  /** What a sample comes to: on a machine with too much to do a node may be taken for dead, and its devices by the other one. */
  async function onBothNodes() {
    const pages = await Promise.all(mesh.cluster.nodes.map(({ address }) => page(address)));
    const sum = (name: string) =>
      pages.reduce((before, { [`sallyport_agent_${name}`]: value = 0 }) => before + value, 0);
    return {
      sent: sum('sent_bytes_total'),
      received: sum('received_bytes_total'),
      refused: sum('refused_packets_total'),
      denied: sum('audited_connections_total{verdict="denied"}'),
      connected: sum('peers{state="connected"}'),
    };
  }

  const operators = async () => {
    const path = 'jsonpath={.items[*].status.podIP}';
    const selector = ['get', 'pods', '-l', 'app.kubernetes.io/component=operator', '-o', path];
    return (await mesh.cluster.kubectl(['-n', RELEASE.namespace, ...selector])).trim().split(' ');
  };

  test.each(['node-1', 'node-2'])(
    'the agent of %s tells from the other node how it stands and what it did',
    async (name) => {
      const told = await page(mesh.cluster.node(name).address);
      expect(told).toMatchObject({
        sallyport_agent_serving: 1,
        'sallyport_agent_condition{condition="Programmed"}': 1,
        'sallyport_agent_condition{condition="ServicesReachable"}': 1,
        'sallyport_agent_operations_total{kind="create-link"}': 1,
        sallyport_agent_reconcile_failures_total: 0,
      });
      expect(told['sallyport_agent_probes_total{result="ok"}']).toBeGreaterThan(1);
      expect(told['sallyport_agent_probe_duration_seconds_count{step="tcp"}']).toBeGreaterThan(1);
      expect(told['sallyport_agent_reconcile_duration_seconds_count{look="all"}']).toBeGreaterThan(0);
      expect(told.sallyport_agent_conntrack_entries).toBeGreaterThan(0);
      expect(Object.keys(told).join('\n')).not.toContain('demo/');
    },
  );

  test('traffic of devices shows on the nodes that they use, and what they were refused', async () => {
    const before = await onBothNodes();
    const url = `http://${service}/bytes/${TRAFFIC}`;
    must(await ada.laptop.exec(['curl', '-sS', '--fail', '-o', '/dev/null', '--interface', ada.address, url]));
    await knock(ada.laptop, [fromMesh(ada, 'tcp', mesh.cluster.node('node-1').address, SSH_PORT)]);
    // The agent looks at the interface every three seconds.
    const after = await until(
      'traffic, what was refused, and a line of the audit log',
      onBothNodes,
      ({ sent, received, refused, denied }) =>
        sent > before.sent + TRAFFIC &&
        received > before.received + 1_000 &&
        refused > before.refused &&
        denied > before.denied,
    );
    expect(after.connected).toBeGreaterThanOrEqual(2);
  });

  test('one operator leads and tells of every device and gateway; devices do not reach it', async () => {
    const addresses = await operators();
    const pages = await Promise.all(addresses.map(page));
    const leaders = pages.filter(({ sallyport_operator_leader }) => sallyport_operator_leader === 1);
    expect([pages.length, leaders.length]).toEqual([2, 1]);
    expect(leaders[0]).toMatchObject({
      'sallyport_operator_peers{state="connected"}': 2,
      'sallyport_operator_gateway_condition{gateway="default",condition="Ready"}': 1,
      'sallyport_operator_gateway_nodes{gateway="default"}': 2,
      'sallyport_operator_gateway_ready_nodes{gateway="default"}': 2,
      'sallyport_operator_reconcile_failures_total{kind="MeshPeer"}': expect.any(Number),
    });
    const doors = addresses.map((address) => fromMesh(ada, 'tcp', address, METRICS_PORT));
    for (const heard of await knock(ada.laptop, doors)) expectRefusedAtOnce(heard);
  });
});

test('a token taken from the agent of one node tells nothing about another node, and reads no Secret', async () => {
  const as = await asAgentOf('node-1');
  expect(await as('get', 'secrets')).toMatch(/cannot list resource "secrets"/);
  expect(await as('get', 'meshgateways')).toContain('default');
  // Not of the status, which kubectl reads before it patches: agents may only write it.
  const lie = ['patch', '--type=merge', '-p', '{"metadata":{"labels":{"told":"lies"}}}', 'meshgatewaynode'];
  expect(await as(...lie, 'default.node-2')).toMatch(
    /denied request: the agent of node node-1 writes .* default\.node-2 is not/,
  );
  expect(await as('delete', 'lease', 'default.node-2')).toMatch(/denied request/);
  expect(await as(...lie, 'default.node-1')).toContain('patched');
});

/** Runs kubectl in the release's namespace by the token of the agent's pod on a node; tells what it said, whether or not it went well. */
async function asAgentOf(node: string): Promise<(...argv: readonly string[]) => Promise<string>> {
  const { cluster } = mesh;
  const selector = `--selector=app.kubernetes.io/component=agent --field-selector=spec.nodeName=${node}`.split(' ');
  const pod = await cluster.kubectl(['-n', RELEASE.namespace, 'get', 'pods', ...selector, '-o', 'name']);
  const bound = ['--bound-object-kind=Pod', `--bound-object-name=${pod.trim().replace('pod/', '')}`];
  const token = await cluster.kubectl(['-n', RELEASE.namespace, 'create', 'token', 'sallyport-agent', ...bound]);
  const [{ cluster: server }] = JSON.parse(await cluster.kubectl(['config', 'view', '--raw', '-o', 'json'])).clusters;
  const kubeconfig = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: server }],
    users: [{ name: 'agent', user: { token: token.trim() } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'agent', namespace: RELEASE.namespace } }],
    'current-context': 'lab',
  });
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-agent-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'kubeconfig');
  await writeFile(file, kubeconfig, { mode: 0o600 });
  return async (...argv) => {
    const { stdout, stderr } = await cluster.tryKubectl([`--kubeconfig=${file}`, ...argv]);
    return `${stdout}${stderr}`;
  };
}

/** Every source address of what comes out of the tunnel, before any firewall has looked at it. */
const WITNESS = `table inet lab_witness {
  set sources { type ipv4_addr; flags dynamic; size 1000; }
  chain prerouting {
    type filter hook prerouting priority -350;
    iifname "${DEVICE}" update @sources { ip saddr }
  }
}`;

async function enter(name: string): Promise<Member> {
  const [laptop, device] = [await mesh.cluster.addLaptop(name), await mesh.addDevice(name)];
  await mesh.join(laptop, device, mesh.cluster.node('node-1').address);
  const peer = await mesh.peer(device);
  const [address = ''] = peer.status?.addresses ?? [];
  const publicKey = must(await laptop.exec(['wg', 'show', 'mesh', 'peers'])).trim();
  must(await laptop.exec(['wg', 'set', 'mesh', 'peer', publicKey, 'allowed-ips', '0.0.0.0/0']));
  must(await laptop.exec(['ip', 'route', 'replace', 'default', 'dev', 'mesh', 'table', '51']));
  must(await laptop.exec(['ip', 'rule', 'add', 'from', address, 'table', '51']));
  return { laptop, address, listener: await Listener.start(laptop, COLLEAGUE_PORT) };
}

function fromMesh({ address: source }: Member, protocol: Door['protocol'], address: string, port: number): Door {
  return { protocol, address, port, source };
}

function answers(heard: readonly Heard[]): readonly string[] {
  return [...new Set(heard.map(({ answer }) => answer))];
}

function all(answer: string): (heard: readonly Heard[]) => boolean {
  return (heard) => answers(heard).join() === answer;
}

function expectRefusedAtOnce(heard: Heard | undefined, what = 'the door'): void {
  expect(heard?.answer, what).toBe('ECONNREFUSED');
  expect(heard?.ms, what).toBeLessThan(AT_ONCE_MS);
}

async function addressesOf(node: LabNode): Promise<readonly string[]> {
  const devices = JSON.parse(must(await node.exec(['ip', '-j', '-4', 'address']))) as readonly {
    readonly addr_info: readonly { readonly local: string; readonly scope: string }[];
  }[];
  const addresses = devices.flatMap(({ addr_info }) => addr_info.filter(({ scope }) => scope === 'global'));
  return [...new Set(addresses.map(({ local }) => local))];
}

/** The ports on which anything of the node listens, on loopback addresses too. */
async function portsOf(node: LabNode, protocol: Door['protocol']): Promise<readonly number[]> {
  const lines = must(await node.exec(['ss', '-Hnl', protocol === 'tcp' ? '-t' : '-u']))
    .trim()
    .split('\n');
  return [...new Set(lines.map((line) => Number(line.trim().split(/\s+/)[3]?.split(':').at(-1))))];
}

async function podAddresses(): Promise<readonly string[]> {
  const list = await mesh.cluster.kubectl(['-n', 'demo', 'get', 'pods', '-o', 'jsonpath={.items[*].status.podIP}']);
  return list.trim().split(' ');
}

async function sourcesSeen(node: LabNode): Promise<readonly string[]> {
  const listing = must(await node.exec(['nft', 'list', 'set', 'inet', 'lab_witness', 'sources']));
  return listing.match(/\d+\.\d+\.\d+\.\d+/g) ?? [];
}

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { groupExists, labGroup } from './cgroups.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { output } from './exec.ts';
import { poll } from './progress.ts';
import { labDirectory, readRecord } from './record.ts';
import { workload, workloadImage } from './workload.ts';

const NAME = 'smoke';

/** Sends what nobody answers, and leaves it to the kernel, whose connection keeps the network of the node for minutes. */
const UNANSWERED = `
  const socket = require('net').connect(443, '10.96.0.1', () => {
    const ruleset = 'table inet hole { chain out { type filter hook output priority -450; oifname "eth0" drop; }; }';
    require('child_process').execFileSync('nft', ['-f', '-'], { input: ruleset });
    socket.write('unanswered');
    setTimeout(() => process.exit(), 100);
  });`;

interface Answer {
  readonly pod: string;
  readonly node: string;
  readonly client: string;
}

describe('a cluster of two nodes', () => {
  let cluster: Cluster;
  let linksBefore: string;

  beforeAll(async () => {
    linksBefore = await links();
    cluster = await startCluster({ name: NAME, images: [await workloadImage()] });
    await cluster.kubectl(['apply', '-f', '-'], asList(workload({ name: 'hello', replicas: 2 })));
    await cluster.kubectl(['rollout', 'status', 'deployment/hello', '--timeout=60s']);
  });

  afterAll(() => cluster?.stop());

  test('has Ready nodes with the pod ranges that the underlay routes', async () => {
    const nodes = await cluster.kubectl([
      ...['get', 'nodes', '-o'],
      'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.spec.podCIDR}{"\\n"}{end}',
    ]);
    expect(nodes).toBe('node-1 True 10.244.1.0/24\nnode-2 True 10.244.2.0/24\n');
  });

  test('brings a node that asks a ClusterIP to the pods of both nodes', async () => {
    const address = await cluster.kubectl(['get', 'service', 'hello', '-o', 'jsonpath={.spec.clusterIP}']);
    expect(await answeringNodes(() => curlFromNode(cluster, `http://${address}/`))).toEqual(['node-1', 'node-2']);
  });

  test('answers by name inside a pod, in another node’s kube-proxy mode too', async () => {
    const ask = () => curlFromPod(cluster, 'http://hello.default.svc.cluster.local/');
    expect(await answeringNodes(ask)).toEqual(['node-1', 'node-2']);
    await cluster.setKubeProxyMode('iptables');
    expect(await answeringNodes(ask)).toEqual(['node-1', 'node-2']);
    const [node] = cluster.nodes;
    expect((await node?.exec(['nft', 'list', 'tables']))?.stdout).not.toContain('table ip kube-proxy');
    await cluster.setKubeProxyMode('nftables');
    expect(await answeringNodes(ask)).toEqual(['node-1', 'node-2']);
  });

  test('installs a chart', async () => {
    const chart = await mkdtemp(join(tmpdir(), 'sallyport-chart-'));
    try {
      await writeFile(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: trivial\nversion: 1.0.0\n');
      await output(['mkdir', join(chart, 'templates')]);
      const template = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: trivial}\ndata: {of: {{ .Release.Name }}}\n';
      await writeFile(join(chart, 'templates', 'map.yaml'), template);
      await cluster.helm(['install', 'first', chart, '--wait']);
      expect(await cluster.kubectl(['get', 'configmap', 'trivial', '-o', 'jsonpath={.data.of}'])).toBe('first');
      await cluster.helm(['uninstall', 'first', '--wait']);
    } finally {
      await rm(chart, { recursive: true });
    }
  });

  test('has laptops outside of it, with a resolver of their own', async () => {
    const laptop = await cluster.addLaptop('alice');
    await laptop.writeFile('/etc/wireguard/wg0.conf', WG_QUICK);
    const up = await laptop.exec(['wg-quick', 'up', 'wg0']);
    expect(up.stderr).toContain('resolvconf -a');
    expect(up.code).toBe(0);
    expect((await laptop.exec(['cat', '/etc/resolv.conf'])).stdout).toContain('nameserver 10.213.0.1');
    expect((await laptop.exec(['ip', 'route', 'get', '10.96.0.1'])).stdout).toContain('dev wg0');
    expect((await laptop.exec(['ping', '-c1', '-W2', cluster.nodes[0]?.address ?? ''])).code).toBe(0);
    expect((await laptop.exec(['wg-quick', 'down', 'wg0'])).code).toBe(0);
  });

  test('survives the power failure of a node, which comes back as it was', async () => {
    const node = cluster.node('node-2');
    await node.exec([process.execPath, '--eval', UNANSWERED]);
    await node.kill();
    const api = [
      'curl',
      '-ksS',
      '--max-time',
      '2',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'https://10.96.0.1/readyz',
    ];
    expect((await cluster.node('node-1').exec(api)).stdout).toBe('200');
    await expect(curlFromNode(cluster, `http://${node.address}:10250/`)).rejects.toThrow();
    await node.start();
    await cluster.kubectl(['rollout', 'status', 'deployment/hello', '--timeout=60s']);
    const ask = () => curlFromPod(cluster, 'http://hello.default.svc.cluster.local/');
    expect(await answeringNodes(ask)).toEqual(['node-1', 'node-2']);
  });

  test('leaves nothing behind', async () => {
    const init = readRecord(NAME)?.init?.pid ?? 0;
    const network = readlinkSync(`/proc/${init}/ns/net`);
    const processes = processesOf(NAME);
    expect(processes.length).toBeGreaterThan(10);
    await cluster.stop();
    expect(processesOf(NAME)).toEqual([]);
    expect(processes.filter((pid) => networkOf(pid) === network)).toEqual([]);
    expect(existsSync(labDirectory(NAME))).toBe(false);
    expect(groupExists(labGroup(NAME))).toBe(false);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(labDirectory(NAME));
    expect(await links()).toBe(linksBefore);
  });
});

const WG_QUICK = `[Interface]
PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=
Address = 10.213.0.99/32
DNS = 10.213.0.1, cluster.local
[Peer]
PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
AllowedIPs = 10.96.0.0/16
`;

/** Asks until both nodes have answered, and tells which did. A rule may not be in place at the first question. */
async function answeringNodes(ask: () => Promise<Answer>): Promise<readonly string[]> {
  const seen = new Set<string>();
  const both = async () => {
    const answer = await ask().catch(() => undefined);
    if (answer) seen.add(answer.node);
    return seen.size === 2 ? true : undefined;
  };
  await poll('an answer from both nodes', both, { timeout: 30_000 });
  return [...seen].sort();
}

async function curlFromNode(cluster: Cluster, url: string): Promise<Answer> {
  const result = await cluster.node('node-1').exec(['curl', '-fsS', '--max-time', '3', url]);
  if (result.code !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout) as Answer;
}

async function curlFromPod(cluster: Cluster, url: string): Promise<Answer> {
  return JSON.parse(
    await cluster.kubectl(['exec', 'deployment/hello', '--', 'curl', '-fsS', '--max-time', '3', url]),
  ) as Answer;
}

function asList(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

async function links(): Promise<string> {
  const shown = JSON.parse(await output(['ip', '-j', 'link'])) as readonly { readonly ifname: string }[];
  return shown.map(({ ifname }) => ifname).join(' ');
}

/** All processes in the lab's control groups, or whose command names its folder. */
function processesOf(lab: string): readonly string[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  return pids.filter((pid) => {
    const says = (file: string) => readOrNothing(`/proc/${pid}/${file}`);
    return says('cgroup').includes(`/${labGroup(lab)}/`) || says('cmdline').includes(`${labDirectory(lab)}/`);
  });
}

function networkOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

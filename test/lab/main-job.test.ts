import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageContents } from '../../image/contents.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { agentOf, DEVICE } from './gateway-node.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, Mesh, must, RELEASE, udpEcho } from './mesh.ts';
import type { LabNode } from './node.ts';
import { nodeKernels } from './node-kernels.ts';

const KERNELS = nodeKernels('mixed');
const NODES = KERNELS.map((_, at) => `node-${at + 1}`);
const MEGABYTES_10 = 10_000_000;
/** Of `Seccomp` in /proc/PID/status: each system call is judged by a filter. */
const SECCOMP_FILTER = '2';

let cluster: Cluster;
let mesh: Mesh;
let laptop: Laptop;
let device: Device;

beforeAll(async () => {
  cluster = await startCluster({ name: 'main-job', nodes: KERNELS });
  mesh = new Mesh(cluster);
  await Promise.all([mesh.install(), mesh.addWorkloads(NODES)]);
  laptop = await cluster.addLaptop('ada');
  device = await mesh.addDevice('ada');
  await mesh.join(laptop, device);
});

afterAll(() => cluster?.stop());

test.each(NODES)('%s runs the WireGuard that its kernel allows, and says so', async (name) => {
  const node = cluster.node(name);
  const [link, dataplane] = node.kernel === 'own' ? ['wireguard', 'Kernel'] : ['tun', 'Userspace'];
  expect(must(await node.exec(['ip', '-d', 'link', 'show', DEVICE]))).toMatch(new RegExp(`^ +${link} `, 'm'));
  const report = ['get', 'meshgatewaynode', `default.${name}`, '-n', RELEASE.namespace];
  expect(await cluster.kubectl([...report, '-o', 'jsonpath={.status.dataplane}'])).toBe(dataplane);
  const programs = await node.exec(['pgrep', '-xfc', `wireguard-go -f ${DEVICE}`]);
  expect(programs.stdout.trim()).toBe(node.kernel === 'own' ? '0' : '1');
});

/** The only bit of CAP_NET_ADMIN, as /proc tells sets of capabilities. */
const NET_ADMIN = '0000000000001000';
const NONE = '0000000000000000';

describe('as the kernel tells it, with a seccomp filter, no new privileges and a root that takes no write,', () => {
  test.each(NODES)('everything that the agent runs on %s is root with NET_ADMIN alone', async (name) => {
    const node = cluster.node(name);
    const agent = (await agentOf(node)) ?? '';
    const wireguard = (await node.exec(['pgrep', '-xf', `wireguard-go -f ${DEVICE}`])).stdout.trim();
    expect(wireguard === '').toBe(node.kernel === 'own');
    for (const program of [agent, wireguard].filter((found) => found !== ''))
      expect(await confinement(node, program)).toEqual({ ...CONFINED, uid: '0', capabilities: [NET_ADMIN, NONE] });
  });

  test('each operator is user 65532 without any capability', async () => {
    const found: [LabNode, string][] = [];
    for (const node of cluster.nodes) {
      const { stdout } = await node.exec(['pgrep', '-xf', 'node /app/operator.mjs run']);
      for (const program of stdout.split('\n').filter((line) => line !== '')) found.push([node, program]);
    }
    expect(found).toHaveLength(2);
    for (const [node, program] of found)
      expect(await confinement(node, program)).toEqual({ ...CONFINED, uid: '65532', capabilities: [NONE] });
  });
});

describe.each(NODES)('the image, as it runs on %s,', (name) => {
  const inAgent = async (...argv: readonly string[]) => {
    const agents = ['-l', 'app.kubernetes.io/component=agent', '--field-selector', `spec.nodeName=${name}`];
    const pod = (await cluster.kubectl(['-n', RELEASE.namespace, 'get', 'pods', ...agents, '-o', 'name'])).trim();
    return cluster.tryKubectl(['-n', RELEASE.namespace, 'exec', pod, '--', ...argv]);
  };

  test('has the programs of its list and no other', async () => {
    const node = cluster.node(name);
    const root = `/proc/${await agentOf(node)}/root`;
    const argv = [
      'find',
      `${root}/`,
      '-xdev',
      '-type',
      'f',
      '-perm',
      '/111',
      '-not',
      '-name',
      '*.so*',
      '-printf',
      '/%P\n',
    ];
    const programs = imageContents().executables.map((executable) => `/usr/bin/${executable.name}`);
    expect(
      must(await node.exec(argv))
        .trim()
        .split('\n')
        .sort(),
    ).toEqual(programs.sort());
  });

  test('runs a program for whoever looks for a fault, and has no shell', async () => {
    expect(await inAgent('wg', 'show', 'interfaces')).toMatchObject({ code: 0, stdout: `${DEVICE}\n` });
    expect(await inAgent('nft', 'list', 'tables')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('sallyport'),
    });
    const shell = await inAgent('sh', '-c', 'true');
    expect(shell).toMatchObject({ stderr: expect.stringContaining('executable file not found') });
    expect(shell.code).not.toBe(0);
  });
});

const CONFINED = { noNewPrivileges: '1', seccomp: SECCOMP_FILTER, write: 'Read-only file system' };

/** What the kernel lets a program of a node do; of its sets of capabilities, each content once. */
async function confinement(node: LabNode, program: string) {
  const status = must(await node.exec(['cat', `/proc/${program}/status`]));
  const field = (name: string) => new RegExp(`^${name}:\\t(.*)$`, 'm').exec(status)?.[1] ?? '';
  const written = await node.exec(['touch', `/proc/${program}/root/written`]);
  return {
    uid: [...new Set(field('Uid').split('\t'))].join(' '),
    capabilities: [...new Set(['CapEff', 'CapPrm', 'CapBnd', 'CapInh', 'CapAmb'].map(field))],
    noNewPrivileges: field('NoNewPrivs'),
    seccomp: field('Seccomp'),
    write: written.code === 0 ? 'written' : (written.stderr.split(': ').at(-1)?.trim() ?? ''),
  };
}

describe.each(NODES)('a laptop with stock tools, through gateway %s', (gateway) => {
  beforeAll(async () => {
    await mesh.leave(laptop);
    await mesh.join(laptop, device, cluster.node(gateway).address);
  });

  test.each(NODES)('gets a Service by its name from a pod on %s', async (backend) => {
    const answer = await curl(laptop, `http://hello-${backend}.demo.svc.cluster.local`);
    expect(answer).toMatchObject({ status: 200 });
    expect(JSON.parse(answer.body)).toMatchObject({ node: backend });
  });

  test.each(NODES)('gets 10 MB from a pod on %s', async (backend) => {
    const answer = await curl(laptop, `http://hello-${backend}.demo/bytes/${MEGABYTES_10}`, 30);
    expect({ status: answer.status, bytes: answer.body.length }).toEqual({ status: 200, bytes: MEGABYTES_10 });
  });

  test.each(NODES)('has a UDP datagram echoed by a pod on %s', async (backend) => {
    expect(await udpEcho(laptop, `hello-${backend}.demo.svc.cluster.local`)).toBe('ping');
  });

  test('shows as connected, from its own address', async () => {
    const peer = await mesh.untilPeer(device, 'Connected');
    expect(peer.status?.connections?.map(({ endpoint }) => endpoint.split(':')[0])).toContain(laptop.address);
  });
});

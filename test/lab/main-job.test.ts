import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';
import { DEVICE } from './gateway-node.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, Mesh, must, RELEASE, udpEcho } from './mesh.ts';
import { nodeKernels } from './node-kernels.ts';

const KERNELS = nodeKernels('mixed');
const NODES = KERNELS.map((_, at) => `node-${at + 1}`);
const MEGABYTES_10 = 10_000_000;

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

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Device, Mesh, must } from './mesh.ts';
import type { KubeProxyMode } from './node.ts';

const MODES: readonly KubeProxyMode[] = ['nftables', 'iptables'];
const NODES = ['node-1', 'node-2'];
const MEGABYTES_10 = 10_000_000;

let cluster: Cluster;
let mesh: Mesh;
let laptop: Laptop;
let device: Device;

beforeAll(async () => {
  cluster = await startCluster({ name: 'main-job', nodes: NODES.length });
  mesh = new Mesh(cluster);
  await Promise.all([mesh.install(), mesh.addWorkloads(NODES)]);
  laptop = await cluster.addLaptop('ada');
  device = await mesh.addDevice('ada');
  await mesh.join(laptop, device);
});

afterAll(() => cluster?.stop());

describe.each(MODES)('a laptop with stock tools, kube-proxy in %s mode', (mode) => {
  beforeAll(async () => {
    if (cluster.kubeProxyMode !== mode) await cluster.setKubeProxyMode(mode);
    await mesh.untilGateway('default', 'ServicesReachable');
  });

  describe.each(NODES)('through gateway %s', (gateway) => {
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
      const script = 'exec 3<>/dev/udp/$1/80; printf ping >&3; head -c 4 <&3';
      const address =
        must(await laptop.exec(['getent', 'ahostsv4', `hello-${backend}.demo.svc.cluster.local`])).split(/\s/)[0] ?? '';
      expect(must(await laptop.exec(['timeout', '5', 'bash', '-c', script, 'echo', address]))).toBe('ping');
    });
  });

  test('the device shows as connected, from its own address', async () => {
    const peer = await mesh.untilPeer(device, 'Connected');
    expect(peer.status?.connections?.map(({ endpoint }) => endpoint.split(':')[0])).toContain(laptop.address);
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import type { Running } from '../../src/host/exec.ts';
import { WireGuard } from '../../src/host/wireguard.ts';
import type { KeyPair } from '../../src/net/key-pair.ts';
import { aNodePlan, type NodePlanWishes } from '../support/node-plans.ts';
import { standInForKubeProxy } from './kube-proxy.ts';
import { newKeys, startProgram, TestNode } from './mesh.ts';
import { type Environment, Namespace } from './namespace.ts';
import { wireguardGo } from './support-usermode.ts';

/** What the node proxies: also two Services whose owner has made devices of the mesh their endpoints. */
export const SERVICES = [
  { clusterIp: '10.96.0.20', protocol: 'tcp', port: 80, endpoint: '10.1.0.2', targetPort: 8080 },
  { clusterIp: '10.96.0.20', protocol: 'tcp', port: 7, endpoint: '10.1.0.2', targetPort: 7007 },
  { clusterIp: '10.96.0.10', protocol: 'udp', port: 53, endpoint: '10.1.0.2', targetPort: 5353 },
  { clusterIp: '10.96.0.1', protocol: 'tcp', port: 443, endpoint: '10.1.0.1', targetPort: 6443 },
  { clusterIp: '10.96.0.1', protocol: 'udp', port: 53, endpoint: '10.1.0.1', targetPort: 10000 },
  { clusterIp: '10.96.0.30', protocol: 'tcp', port: 80, endpoint: '10.213.0.16', targetPort: 8080 },
  { clusterIp: '10.96.0.31', protocol: 'tcp', port: 80, endpoint: '10.213.0.17', targetPort: 8080 },
  { clusterIp: 'fd5a:96::30', protocol: 'tcp', port: 80, endpoint: 'fd5a:213::16', targetPort: 8080 },
  { clusterIp: 'fd5a:96::20', protocol: 'tcp', port: 80, endpoint: 'fd5a:1::2', targetPort: 8080 },
  { clusterIp: 'fd5a:96::1', protocol: 'udp', port: 53, endpoint: 'fd5a:1::1', targetPort: 10000 },
  { clusterIp: 'fd5a:96::a', protocol: 'udp', port: 53, endpoint: 'fd5a:1::2', targetPort: 5353 },
] as const;

/** What a laptop sends into its tunnel. */
const ROUTED = ['10.96.0.0/12', '10.213.0.0/16', '10.1.0.0/24', 'fd5a:96::/112', 'fd5a:213::/64', 'fd5a:1::/64'];

/** A device with a stock WireGuard interface, and nothing else, on a network of its own with the gateway node. */
export interface Laptop {
  readonly namespace: Namespace;
  readonly keys: KeyPair;
  readonly addresses: readonly string[];
}

/**
 * Two laptops, a gateway node and a backend that knows no way back to the mesh:
 *
 *     alice 10.213.0.16 ── 192.168.50.0/24 ──┐
 *                                            ├─ gateway 10.1.0.1 ── 10.1.0.0/24 ── 10.1.0.2 backend
 *     bob   10.213.0.17 ── 192.168.51.0/24 ──┘
 */
export class TestCluster {
  readonly gateway: TestNode;
  readonly backend: Namespace;
  readonly alice: Laptop;
  readonly bob: Laptop;
  readonly #running: Running[] = [];

  private constructor(gateway: TestNode, backend: Namespace, alice: Laptop, bob: Laptop) {
    this.gateway = gateway;
    this.backend = backend;
    this.alice = alice;
    this.bob = bob;
  }

  static async create(mode: 'nftables' | 'iptables', environment: Environment = {}): Promise<TestCluster> {
    const gateway = await TestNode.create(environment);
    const backend = await Namespace.create();
    const cluster = new TestCluster(gateway, backend, await laptop(16, environment), await laptop(17, environment));
    try {
      await cluster.#start(mode);
      return cluster;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  /** What the gateway node should look like with both laptops in. */
  plan(wishes: NodePlanWishes = {}): NodePlan {
    const peers = Object.fromEntries([this.alice, this.bob].map(({ keys, addresses }) => [keys.publicKey, addresses]));
    return aNodePlan({ publicKey: this.gateway.keys.publicKey, peers, ...wishes });
  }

  /** Has a laptop begin a new session now; by itself it would notice only after 15 s that the gateway has forgotten the old one. */
  async shakeHands({ namespace }: Laptop): Promise<void> {
    const { publicKey } = this.gateway.keys;
    const [, endpoint = ''] = (await namespace.run('wg show wg0 endpoints')).trim().split('\t');
    const [, allowed = ''] = (await namespace.run('wg show wg0 allowed-ips')).trim().split('\t');
    await namespace.run(`wg set wg0 peer ${publicKey} remove`);
    await namespace.run(
      `wg set wg0 peer ${publicKey} endpoint ${endpoint} allowed-ips ${allowed.replaceAll(' ', ',')}`,
    );
    await namespace.tries('ping -c 1 -W 5 10.213.0.1');
  }

  /** Lays a network to a laptop of another cluster, where it dials this node too, by an interface of its own that nothing is routed through. */
  async dialledBy(guest: Laptop, device: string): Promise<void> {
    const net = 59;
    await this.gateway.namespace.link('under9', [`192.168.${net}.1/24`], guest.namespace, 'eth9', [
      `192.168.${net}.2/24`,
    ]);
    await this.#dial(guest, device, net);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.stop()));
    await this.gateway.dispose();
    for (const namespace of [this.backend, this.alice.namespace, this.bob.namespace]) await namespace.dispose();
  }

  async #start(mode: 'nftables' | 'iptables'): Promise<void> {
    const { namespace, folder } = this.gateway;
    await this.#connect();
    await standInForKubeProxy(namespace, folder, mode, SERVICES);
    await this.#startPrograms();
    await this.gateway.sync(this.plan());
    for (const [index, device] of [this.alice, this.bob].entries()) await this.#join(device, 50 + index);
  }

  async #connect(): Promise<void> {
    const node = this.gateway.namespace;
    for (const [index, { namespace }] of [this.alice, this.bob].entries()) {
      const net = `192.168.${50 + index}`;
      await node.link(`under${index}`, [`${net}.1/24`], namespace, 'eth0', [`${net}.2/24`]);
    }
    await node.link('pods0', ['10.1.0.1/24', 'fd5a:1::1/64'], this.backend, 'eth0', ['10.1.0.2/24', 'fd5a:1::2/64']);
    await node.run('ip route add default via 10.1.0.254');
    await node.run('ip route add default via fd5a:1::fe');
  }

  /** On the gateway node: a kubelet on 10250, sshd on 22 and an API server on 6443, as far as ports go. */
  async #startPrograms(): Promise<void> {
    const node = this.gateway.namespace.commands;
    this.#running.push(
      await startProgram(this.backend.commands, 'backend.ts 8080 7007 5353'),
      await startProgram(node, 'backend.ts 6443 10250 10000 8443 22 10001'),
      await startProgram(this.bob.namespace.commands, 'backend.ts 8080 7007 5353'),
    );
  }

  async #join(laptop: Laptop, net: number): Promise<void> {
    const { namespace, addresses } = laptop;
    await this.#dial(laptop, 'wg0', net);
    for (const address of addresses) await namespace.run(`ip address add ${address} dev wg0`);
    await routeThrough(laptop, 'wg0');
    await namespace.tries('ping -c 1 -W 5 10.213.0.1');
  }

  /** Gives the laptop an interface whose only peer is the gateway, at the node's address on that network. */
  async #dial({ namespace, keys }: Laptop, device: string, net: number): Promise<void> {
    const file = join(this.gateway.folder, `laptop-${net}`);
    await writeFile(file, keys.privateKey, { mode: 0o600 });
    const { folder, keys: gateway } = this.gateway;
    const options = { privateKeyFile: file, wireguardGo: await wireguardGo(), runDir: folder };
    const wireguard = new WireGuard(namespace.commands, options);
    await wireguard.create(device, 'Auto');
    await wireguard.set(device, keys.publicKey, undefined);
    this.#running.push({ pid: undefined, exited: Promise.resolve({ stderr: '' }), stop: () => wireguard.close() });
    const endpoint = `192.168.${net}.1:51840`;
    await namespace.run(`wg set ${device} peer ${gateway.publicKey} endpoint ${endpoint} allowed-ips ${ROUTED}`);
    await namespace.run(`ip link set ${device} mtu 1420 up`);
  }
}

/** Has the laptop send all that is for the mesh or the cluster through this interface. */
export async function routeThrough({ namespace }: Laptop, device: string): Promise<void> {
  for (const prefix of ROUTED) await namespace.run(`ip route replace ${prefix} dev ${device}`);
}

async function laptop(host: number, environment: Environment): Promise<Laptop> {
  const addresses = [`10.213.0.${host}/32`, `fd5a:213::${host}/128`];
  return { namespace: await Namespace.create(environment), keys: newKeys(), addresses };
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GrantedAccess } from '../../src/agent/granted-access.ts';
import { MovedFlows } from '../../src/agent/moved-flows.ts';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshGatewayNode } from '../../src/api/meshgatewaynode.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import type { Running } from '../../src/host/exec.ts';
import { WireGuard } from '../../src/host/wireguard.ts';
import { Cache } from '../../src/k8s/store.ts';
import { liveSessions } from '../../src/mesh/sessions.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { KeyPair } from '../../src/net/key-pair.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { aKey, aMember, aReport, aServedGateway } from '../support/builders.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { standInForIpvs } from './ipvs.ts';
import { type ServicePort, standInForKubeProxy } from './kube-proxy.ts';
import { newKeys, startProgram, TestNode } from './mesh.ts';
import { Namespace } from './namespace.ts';
import { wireguardGo } from './support-usermode.ts';

/** Where devices dial the balancer. */
export const BALANCER = '198.51.100.7';
/** A Service that every node answers itself, as where each has a DNS cache. */
export const SERVICE = '10.96.0.10';
export const PORT = 53;
const NODE_PORT = 31840;
const ROUTED = ['10.213.0.0/16', '10.96.0.0/12'];
const QUIET = createLog({ level: 'error' });

/**
 * How the balancer hands packets to a node: as they are, for the node's proxy to translate, to a port of the node's own, for the proxy as well, or
 * translated by itself to where WireGuard listens. All keep the sender's address.
 */
export type Handing = 'nftables' | 'iptables' | 'ipvs' | 'ipvs, by a node port' | 'translated';

/** To which port of a node the balancer leads what it translates by itself. */
const TRANSLATED_TO: Partial<Record<Handing, number>> = { translated: 51840, 'ipvs, by a node port': NODE_PORT };

/** A node of the gateway, with as much of its agent as follows moved flows. */
export interface BalancedNode {
  readonly name: string;
  readonly address: string;
  readonly node: TestNode;
  readonly sync: NodeSync;
  /** How many devices it has called, one after the other. */
  readonly called: number[];
  /** From where its rules have told of packets, one entry for each. */
  readonly told: string[];
}

/**
 * A laptop behind a NAT that lets in nothing but answers from where it has sent to, and a load balancer before two nodes:
 *
 *     laptop ── 10.77.0.0/24 ── NAT 203.0.113.2 ── balancer 198.51.100.7 ─┬─ 172.31.0.10 node 0: 10.213.0.1
 *                                                                         └─ 172.31.1.10 node 1: 10.213.0.1, the same key
 */
export class BalancedNodes {
  readonly laptop: Namespace;
  readonly nat: Namespace;
  readonly balancer: Namespace;
  readonly laptopKeys: KeyPair = newKeys();
  readonly nodes: BalancedNode[] = [];
  readonly #gatewayKeys: KeyPair = newKeys();
  readonly #reports = new Cache<MeshGatewayNode>((key, error) => {
    throw new Error(`take ${key}`, { cause: error });
  });
  readonly #folder: string;
  readonly #handing: Handing;
  readonly #running: Running[] = [];
  readonly #ending = new AbortController();
  /** What each agent does, one after the other; it ends with its last turn. */
  readonly #turns = new Map<string, Promise<void>>();
  #wireguard: WireGuard | undefined;

  private constructor(places: readonly [Namespace, Namespace, Namespace], folder: string, handing: Handing) {
    [this.laptop, this.nat, this.balancer] = places;
    this.#folder = folder;
    this.#handing = handing;
  }

  /** The laptop has a session by node 0 when it resolves, and node 1 has read the report of that. */
  static async create(handing: Handing, spec: Parameters<typeof aServedGateway>[0] = {}): Promise<BalancedNodes> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-balanced-'));
    const places = [await Namespace.create(), await Namespace.create(), await Namespace.create()] as const;
    const world = new BalancedNodes(places, folder, handing);
    try {
      await world.#lay();
      for (const place of [0, 1] as const) world.nodes.push(await world.#node(place, spec));
      await world.lead(0);
      await world.#joinMesh();
      return world;
    } catch (error) {
      await world.dispose();
      throw error;
    }
  }

  at(place: 0 | 1): BalancedNode {
    const node = this.nodes[place];
    if (node === undefined) throw new Error(`node ${place} was not made`);
    return node;
  }

  /** From now on the balancer brings all packets to this node, those of flows that it knows too. */
  async lead(place: 0 | 1): Promise<void> {
    const { address } = this.at(place);
    const port = TRANSLATED_TO[this.#handing];
    if (port === undefined) {
      await this.balancer.run(`ip route replace ${BALANCER} via ${address}`);
      return;
    }
    const rule = `ip daddr ${BALANCER} udp dport 51840 dnat to ${address}:${port}`;
    await this.#load(this.balancer, 'balance', `chain in {\ntype nat hook prerouting priority dstnat;\n${rule}\n}\n`);
    await this.balancer.tries('conntrack -D -p udp --orig-port-dst 51840');
  }

  /**
   * Has a node know nothing more of the laptop, as its agent does with devices that have gone, and the balancer nothing of what that node has sent
   * to it since: a balancer that translates would give the laptop another port there for half a minute.
   */
  async forget(place: 0 | 1, endpoint: Endpoint): Promise<void> {
    const { address, sync } = this.at(place);
    await sync.forgetSessions([this.laptopKeys.publicKey]);
    await sync.forgetCalls([endpoint]);
    await this.balancer.tries(`conntrack -D -p udp --orig-src ${address}`);
  }

  /** Takes the cable of a node out. */
  async kill(place: 0 | 1): Promise<void> {
    await this.balancer.run(`ip link set node${place} down`);
  }

  /** Has a node report its sessions, as its agent does a moment after they begin; the others read it. */
  async report(place: 0 | 1): Promise<void> {
    const { name, sync } = this.at(place);
    await sync.syncPeers();
    const connections = liveSessions(sync.observedPeers.values(), sync.table, [], Date.now());
    this.#reports.put(aReport({ node: name, status: { connections: [...connections] } }).report);
  }

  /** Takes all reports away, as if they had not come yet. */
  forgetReports(): readonly MeshGatewayNode[] {
    const all = [...this.#reports.entries()];
    for (const [key] of all) this.#reports.remove(key);
    return all.map(([, report]) => report);
  }

  tellReport(report: MeshGatewayNode): void {
    this.#reports.put(report);
  }

  /** Has the laptop dial; one that has hung up begins anew, with a handshake. */
  async dial(): Promise<void> {
    await this.laptop.run(
      `wg set wg0 peer ${this.#gatewayKeys.publicKey} endpoint ${BALANCER}:51840 allowed-ips ${ROUTED}`,
    );
  }

  /** From now on the laptop sends nothing, and knows of no session. */
  async hangUp(): Promise<void> {
    await this.laptop.run(`wg set wg0 peer ${this.#gatewayKeys.publicKey} remove`);
  }

  /** Where a node has the laptop. */
  async seenAt(place: 0 | 1): Promise<string | undefined> {
    const peers = await this.at(place).node.host.observePeers(PLAN_NAMES.device);
    return peers.get(this.laptopKeys.publicKey)?.endpoint;
  }

  async dispose(): Promise<void> {
    this.#ending.abort();
    const turns = await Promise.allSettled(this.#turns.values());
    await Promise.all(this.#running.map((running) => running.stop()));
    for (const { sync, node } of this.nodes) {
      sync.close();
      await node.dispose();
    }
    await this.#wireguard?.close();
    for (const namespace of [this.laptop, this.nat, this.balancer]) await namespace.dispose();
    await rm(this.#folder, { recursive: true, force: true });
    for (const turn of turns) if (turn.status === 'rejected') throw turn.reason;
  }

  async #lay(): Promise<void> {
    const { laptop, nat, balancer } = this;
    await laptop.link('eth0', ['10.77.0.2/24'], nat, 'inside', ['10.77.0.1/24']);
    await nat.link('outside', ['203.0.113.2/24'], balancer, 'world', ['203.0.113.1/24']);
    await laptop.run('ip route add default via 10.77.0.1');
    await nat.run('ip route add default via 203.0.113.1');
    for (const place of [nat, balancer]) await place.run('sysctl -qw net.ipv4.ip_forward=1');
    const hidden = 'chain out {\ntype nat hook postrouting priority srcnat;\noifname "outside" masquerade\n}\n';
    const answers =
      'chain back {\ntype filter hook forward priority filter;\niifname "outside" ct state new,invalid drop\n}\n';
    await this.#load(nat, 'nat', hidden + answers);
  }

  async #node(place: 0 | 1, spec: Parameters<typeof aServedGateway>[0]): Promise<BalancedNode> {
    const node = await TestNode.create();
    const [name, net] = [`node-${place}`, `172.31.${place}`];
    const address = `${net}.10`;
    await this.balancer.link(`node${place}`, [`${net}.1/24`], node.namespace, 'eth0', [`${address}/24`]);
    await node.namespace.run(`ip route add default via ${net}.1`);
    await node.bringKey(this.#gatewayKeys);
    await this.#proxy(node, address);
    await node.namespace.run(`ip address add ${SERVICE}/32 dev lo`);
    this.#running.push(await startProgram(node.namespace.commands, `backend.ts ${PORT}`));
    const balanced = this.#agent(name, node, spec);
    await balanced.sync.syncAll();
    return { ...balanced, address };
  }

  async #proxy({ namespace, folder }: TestNode, address: string): Promise<void> {
    const led = (clusterIp: string, port: number): ServicePort => {
      return { clusterIp, protocol: 'udp', port, endpoint: address, targetPort: 51840 };
    };
    const balanced = led(BALANCER, 51840);
    if (this.#handing === 'translated') return;
    if (this.#handing === 'ipvs') return standInForIpvs(namespace, [balanced]);
    if (this.#handing === 'ipvs, by a node port') return standInForIpvs(namespace, [led(address, NODE_PORT)]);
    await standInForKubeProxy(namespace, folder, this.#handing, [balanced]);
  }

  /** As the agent does it: one turn after the other. */
  #agent(name: string, node: TestNode, spec: Parameters<typeof aServedGateway>[0]): Omit<BalancedNode, 'address'> {
    const { publicKey } = this.#gatewayKeys;
    const gateway: MeshGateway = aServedGateway({
      ...spec,
      status: { publicKey, dns: { servers: [SERVICE], domain: 'cluster.local' } },
    });
    const member: MeshPeer = aMember({ spec: { publicKey: this.laptopKeys.publicKey }, address: '10.213.0.16' });
    const [gateways, peers] = [cacheOf([gateway]), cacheOf([member])];
    const access = new GrantedAccess(
      () => {
        throw new Error('everything is let in by default');
      },
      () => undefined,
    );
    const options = { gateways, peers, access, clock: systemClock, probeKey: aKey('probe') };
    const sync = new NodeSync({ ...options, gateway: 'default', host: node.host, onOperation: () => undefined });
    sync.takePeer({ key: keyOf(member.metadata), after: member });
    const [called, told]: [number[], string[]] = [[], []];
    const moved: MovedFlows = new MovedFlows({
      ...{ node: name, reports: this.#reports, sync, clock: systemClock, log: QUIET },
      onCalled: (_cause, devices) => called.push(devices),
      onFreed: () => undefined,
      onDue: (look) => {
        if (this.#ending.signal.aborted) return;
        const turn = async () => {
          if (look === 'calls') return moved.act();
          await this.report(name === 'node-0' ? 0 : 1);
          return moved.looked();
        };
        this.#turns.set(name, (this.#turns.get(name) ?? Promise.resolve()).then(turn));
      },
    });
    moved.start(this.#ending.signal);
    const { host } = node;
    const onTold: Parameters<typeof host.watchDrift>[3] = (packet) => {
      told.push(packet.from);
      moved.take(packet);
    };
    host.watchDrift(PLAN_NAMES, this.#ending.signal, () => undefined, onTold);
    return { name, node, sync, called, told };
  }

  async #joinMesh(): Promise<void> {
    const file = join(this.#folder, 'laptop');
    await writeFile(file, this.laptopKeys.privateKey, { mode: 0o600 });
    const options = { privateKeyFile: file, wireguardGo: await wireguardGo(), runDir: this.#folder };
    this.#wireguard = new WireGuard(this.laptop.commands, options);
    await this.#wireguard.create('wg0', 'Auto');
    await this.#wireguard.set('wg0', this.laptopKeys.publicKey, undefined);
    await this.laptop.run('ip address add 10.213.0.16/32 dev wg0');
    await this.laptop.run('ip link set wg0 mtu 1420 up');
    for (const prefix of ROUTED) await this.laptop.run(`ip route add ${prefix as Cidr} dev wg0`);
    await this.dial();
    await this.laptop.run('ping -c 1 -W 5 10.213.0.1');
    await this.report(0);
  }

  async #load(namespace: Namespace, name: string, chains: string): Promise<void> {
    const file = join(this.#folder, `${name}.nft`);
    await writeFile(file, `table ip ${name}\ndelete table ip ${name}\ntable ip ${name} {\n${chains}}\n`);
    await namespace.run(`nft -f ${file}`);
  }
}

function cacheOf<T extends MeshGateway | MeshPeer>(objects: readonly T[]): Cache<T> {
  const cache = new Cache<T>((key, error) => {
    throw new Error(`take ${key}`, { cause: error });
  });
  cache.replace(new Map(objects.map((object) => [keyOf(object.metadata), object])), '1');
  return cache;
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DataplaneChoice } from '../../src/dataplane/wireguard/device.ts';
import type { Running } from '../../src/host/exec.ts';
import { WireGuard } from '../../src/host/wireguard.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { KeyPair } from '../../src/net/key-pair.ts';
import { newKeys, startProgram } from './mesh.ts';
import { Namespace } from './namespace.ts';
import { wireguardGo } from './support-usermode.ts';

/** What the laptop routes through its gateway: the mesh, and Services. */
export const ROUTED = ['10.213.0.0/16', '10.96.0.0/12'];
/** A Service that every node answers itself: HTTP on 8080. */
export const SERVICE = '10.96.0.20';

/** A node of the gateway, with what serves its interface. */
export interface DialledNode {
  readonly namespace: Namespace;
  /** Where the laptop dials it. */
  readonly endpoint: string;
  readonly wireguard: WireGuard;
}

/**
 * A laptop and two nodes that serve one gateway, each on a network of its own with the laptop, so that either can go alone:
 *
 *     laptop 10.213.0.16 ─┬─ up0 ── 192.168.60.0/24 ── 192.168.60.1 node 0: 10.213.0.1
 *                         └─ up1 ── 192.168.61.0/24 ── 192.168.61.1 node 1: 10.213.0.1, the same key
 *
 * At the mesh address, node 0 accepts connections to port 51840 and node 1 refuses them.
 */
export class TwoGateways {
  readonly laptop: Namespace;
  readonly laptopKeys: KeyPair = newKeys();
  readonly gatewayKeys: KeyPair = newKeys();
  readonly folder: string;
  readonly nodes: DialledNode[] = [];
  readonly #running: Running[] = [];
  readonly #wireguards: WireGuard[] = [];
  readonly #choice: DataplaneChoice;

  private constructor(laptop: Namespace, folder: string, choice: DataplaneChoice) {
    this.laptop = laptop;
    this.folder = folder;
    this.#choice = choice;
  }

  static async create(choice: DataplaneChoice): Promise<TwoGateways> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-two-'));
    const two = new TwoGateways(await Namespace.create(), folder, choice);
    try {
      for (const place of [0, 1]) two.nodes.push(await two.#node(place));
      await two.#dial();
      return two;
    } catch (error) {
      await two.dispose();
      throw error;
    }
  }

  node(place: 0 | 1): DialledNode {
    const node = this.nodes[place];
    if (node === undefined) throw new Error(`node ${place} was not made`);
    return node;
  }

  /** Has the laptop dial this endpoint from now on, by a peer made anew. */
  async dial(endpoint: string): Promise<void> {
    const { publicKey } = this.gatewayKeys;
    const peer = `peer ${publicKey} remove peer ${publicKey} endpoint ${endpoint} allowed-ips ${ROUTED}`;
    await this.laptop.run(`wg set wg0 ${peer} persistent-keepalive 25`);
  }

  /** Kills what serves the interface of a node, at once: wireguard-go, or the kernel's own interface is deleted. */
  async kill(place: 0 | 1): Promise<void> {
    const { namespace } = this.node(place);
    const served = `--ns ${namespace.pid} --nslist net wireguard-go`;
    const killed = await namespace.tries(`pkill -c -KILL ${served}`);
    if (killed === '') await namespace.run('ip link delete wg0');
    while ((await namespace.tries(`pgrep -c ${served}`)).trim() > '0') await delay(5);
  }

  /** A node as after a reboot: nothing that it knew of sessions is left. */
  async restart(place: 0 | 1): Promise<void> {
    await this.#serve(this.node(place));
  }

  /** Both nodes as after a reboot and within reach, and a laptop that dials node 0 as if it had never dialled. */
  async renew(): Promise<void> {
    for (const place of [0, 1] as const) {
      if ((await this.node(place).namespace.tries('ip link show dev wg0')) !== '') await this.kill(place);
      await this.cable(place, 'up');
      await this.blackHole(place, 'off');
      await this.restart(place);
    }
    await this.dial(this.node(0).endpoint);
  }

  /** Takes the cable between laptop and node out, or puts it back. */
  async cable(place: 0 | 1, state: 'down' | 'up'): Promise<void> {
    await this.node(place).namespace.run(`ip link set eth0 ${state}`);
    if (state === 'up') await this.laptop.run(`ip link set up${place} up`);
  }

  /** Drops all that the laptop sends to a node, without a word; or lets it through again. */
  async blackHole(place: 0 | 1, state: 'on' | 'off'): Promise<void> {
    const file = join(this.folder, `hole-${place}.nft`);
    const rules =
      'table inet hole {\nchain in {\ntype filter hook prerouting priority -300;\niifname "eth0" drop\n}\n}\n';
    await writeFile(file, state === 'on' ? rules : 'table inet hole\ndelete table inet hole\n');
    await this.node(place).namespace.run(`nft -f ${file}`);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#running.map((running) => running.stop()));
    await Promise.all(this.#wireguards.map((wireguard) => wireguard.close()));
    for (const { namespace } of this.nodes) await namespace.dispose();
    await this.laptop.dispose();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #node(place: number): Promise<DialledNode> {
    const namespace = await Namespace.create();
    const net = `192.168.${60 + place}`;
    await this.laptop.link(`up${place}`, [`${net}.2/24`], namespace, 'eth0', [`${net}.1/24`]);
    const wireguard = await this.#interface(namespace, `node-${place}`, this.gatewayKeys);
    const node = { namespace, endpoint: `${net}.1:51840`, wireguard };
    await this.#serve(node);
    await namespace.run(`ip address add ${SERVICE}/32 dev lo`);
    const ports = place === 0 ? '8080 51840 5353' : '8080 7007 5353';
    this.#running.push(await startProgram(namespace.commands, `backend.ts ${ports}`));
    return node;
  }

  async #serve({ namespace, wireguard }: DialledNode): Promise<void> {
    await wireguard.create('wg0', this.#choice);
    await wireguard.start('wg0');
    await wireguard.set('wg0', this.gatewayKeys.publicKey, 51840);
    const { publicKey } = this.laptopKeys;
    await wireguard.setPeers('wg0', [{ kind: 'add', publicKey, allowedIPs: ['10.213.0.16/32' as Cidr] }]);
    await namespace.run('ip address replace 10.213.0.1/32 dev wg0');
    await namespace.run('ip link set wg0 mtu 1420 up');
    await namespace.run('ip route replace 10.213.0.0/16 dev wg0');
  }

  async #dial(): Promise<void> {
    const wireguard = await this.#interface(this.laptop, 'laptop', this.laptopKeys);
    await wireguard.set('wg0', this.laptopKeys.publicKey, undefined);
    await this.laptop.run('ip address add 10.213.0.16/32 dev wg0');
    await this.laptop.run('ip link set wg0 mtu 1420 up');
    for (const prefix of ROUTED) await this.laptop.run(`ip route add ${prefix} dev wg0`);
    await this.dial(this.node(0).endpoint);
  }

  async #interface(namespace: Namespace, name: string, keys: KeyPair): Promise<WireGuard> {
    const file = join(this.folder, name);
    await writeFile(file, keys.privateKey, { mode: 0o600 });
    const options = { privateKeyFile: file, wireguardGo: await wireguardGo(), runDir: this.folder };
    const wireguard = new WireGuard(namespace.commands, options);
    this.#wireguards.push(wireguard);
    await wireguard.create('wg0', this.#choice);
    return wireguard;
  }
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { Profiles } from '../../src/cli/profiles/profiles.ts';
import type { Running } from '../../src/host/exec.ts';
import { type ClientGateway, EVERYTHING } from '../../src/mesh/client-configuration.ts';
import { NOT_PUBLIC } from '../../src/mesh/internet.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { KeyPair } from '../../src/net/key-pair.ts';
import { aClientConfiguration } from '../support/client-configurations.ts';
import { aNodePlan } from '../support/node-plans.ts';
import { DnsServers } from './dns-servers.ts';
import { standInForKubeProxy } from './kube-proxy.ts';
import { newKeys, startProgram, TestNode } from './mesh.ts';
import { Namespace } from './namespace.ts';
import { wireguardGo } from './support-usermode.ts';

export const LAN_DNS = '192.168.77.1';
export const CLUSTER_DNS = '10.96.0.10';
/** What each server answers to every name: on the LAN the gateway, so that its name leads there. */
export const ANSWERS = { [LAN_DNS]: '45.0.0.1', [CLUSTER_DNS]: '8.8.8.8' } as const;
export const DEVICE = 'sp-lab';
/** The gateway's host name, which the cluster does not lead to the gateway. */
export const ENDPOINT = 'gw.example.com';
const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const BEHIND = '10.1.0.2';

/** What a command of the laptop printed. */
export interface Printed {
  readonly ok: boolean;
  readonly text: string;
}

/**
 * A laptop with an office network and the program itself, and everything between it and a gateway node. The internet sees who asks by the
 * address: the laptop's own where something goes beside the tunnel, else the node's.
 *
 *   laptop ── 192.168.77.0/24 ── router ── 46.0.0.0/24 ── internet ── 45.0.0.0/24 ── gateway ── 10.1.0.0/24 ── pods
 *     eth0    2a00:77::/64       DNS       2a00:46::/64   any address  2a00:45::/64                             DNS
 */
export class FullWorld {
  readonly laptop: Namespace;
  readonly router: Namespace;
  readonly internet: Namespace;
  readonly pods: Namespace;
  readonly gateway: TestNode;
  readonly folder: string;
  readonly profiles: Profiles;
  readonly keys: KeyPair = newKeys();
  readonly #running: Running[] = [];
  readonly #dns: DnsServers[] = [];
  #path = '';

  private constructor(namespaces: readonly Namespace[], gateway: TestNode, folder: string) {
    const [laptop, router, internet, pods] = namespaces as [Namespace, Namespace, Namespace, Namespace];
    this.laptop = laptop;
    this.router = router;
    this.internet = internet;
    this.pods = pods;
    this.gateway = gateway;
    this.folder = folder;
    this.profiles = new Profiles(join(folder, 'profiles'));
  }

  static async create(): Promise<FullWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-full-'));
    const namespaces = await Promise.all(Array.from({ length: 4 }, () => Namespace.create()));
    const world = new FullWorld(namespaces, await TestNode.create(), folder);
    try {
      await world.#connect();
      await world.#serve();
      world.join('lab');
      return world;
    } catch (error) {
      await world.dispose();
      throw error;
    }
  }

  /** Gives the laptop a profile whose gateway offers a full tunnel, unless something else is said of it. */
  join(name: string, over: Partial<ClientGateway> = {}): void {
    const gateway: ClientGateway = {
      name: 'default',
      publicKey: this.gateway.keys.publicKey,
      addresses: ['10.213.0.1', 'fd5a:213::1'] as IpAddress[],
      allowedIPs: ['10.96.0.0/12', '10.213.0.1/32', 'fd5a:213::1/128'] as Cidr[],
      internet: EVERYTHING,
      deniesByDefault: false,
      endpoints: [`${ENDPOINT}:51840`] as Endpoint[],
      ...over,
    };
    const addresses = ['10.213.0.16', 'fd5a:213::16'] as IpAddress[];
    const configuration = aClientConfiguration({ addresses, gateways: [gateway] });
    this.profiles.writePrivateKey(name, this.keys.privateKey);
    this.profiles.write({
      profile: {
        ...{ version: 1, name, device: `sp-${name}`, namespace: 'team-a', peer: 'ada' },
        ...{ server: 'https://127.0.0.1:6443', joinedAt: '2026-08-01T12:00:00Z' },
      },
      configuration,
    });
  }

  /** Runs the program on the laptop. */
  async sallyport(line: string): Promise<Printed> {
    const folders = `--profiles ${this.profiles.folder} --run-folder ${this.folder}/run`;
    const script = `${process.execPath} ${MAIN} ${line} ${folders} 2>&1 || echo "exit $?"`;
    const text = await this.laptop.commands.run(['env', `PATH=${this.#path}`, 'sh', '-c', script], {
      timeoutMs: 60_000,
    });
    return { ok: !/^exit \d+$/m.test(text), text: text.trim() };
  }

  /** The process that holds the tunnel. */
  async supervisor(): Promise<number> {
    const [only] = JSON.parse((await this.sallyport('status lab -o json')).text.replace(/\nexit \d+$/, ''));
    return only.tunnel.pid;
  }

  /** What the whole of the laptop's network is, as one text. */
  async everything(): Promise<string> {
    const looks = ['ip -o link', 'ip -o address', 'ip -4 rule', 'ip -6 rule', 'nft list ruleset'];
    const tables = ['ip -4 route show table all', 'ip -6 route show table all'];
    const texts = await Promise.all([...looks, ...tables].map((look) => this.laptop.run(look)));
    const file = await this.laptop.run('cat /etc/resolv.conf');
    return [...texts, file].join('\n').replaceAll(/(valid|preferred)_lft \S+|expires \S+/g, '');
  }

  /** Which names each server was asked for since the last call. */
  async asked(): Promise<Readonly<Record<string, readonly string[] | undefined>>> {
    const [lan, cluster] = await Promise.all(this.#dns.map((servers) => servers.asked()));
    return { [LAN_DNS]: lan?.[LAN_DNS], [CLUSTER_DNS]: cluster?.[BEHIND] };
  }

  /** How many packets of the laptop went beyond its LAN since the last call, its WireGuard packets left out. */
  async straysSeen(): Promise<number> {
    return Number(/packets (\d+)/.exec(await this.router.run('nft reset counter inet seen strays'))?.[1]);
  }

  /** Brings the gateway node to where it should be. */
  async serve(): Promise<void> {
    await this.gateway.sync(
      aNodePlan({
        publicKey: this.gateway.keys.publicKey,
        peers: { [this.keys.publicKey]: ['10.213.0.16/32', 'fd5a:213::16/128'] },
        keptFromInternet: [...NOT_PUBLIC, '45.0.0.1/32'],
      }),
    );
  }

  async dispose(): Promise<void> {
    await this.sallyport('down lab').catch(() => undefined);
    await Promise.all([...this.#running, ...this.#dns].map((running) => running.stop()));
    for (const namespace of [this.laptop, this.router, this.internet, this.pods]) await namespace.dispose();
    await this.gateway.dispose();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #connect(): Promise<void> {
    const node = this.gateway.namespace;
    await this.laptop.link('eth0', ['192.168.77.2/24', '2a00:77::2/64'], this.router, 'lan0', [
      `${LAN_DNS}/24`,
      '2a00:77::1/64',
    ]);
    await this.router.link('wan0', ['46.0.0.1/24', '2a00:46::1/64'], this.internet, 'r0', [
      '46.0.0.2/24',
      '2a00:46::2/64',
    ]);
    await node.link('eth0', ['45.0.0.1/24', '2a00:45::1/64'], this.internet, 'g0', ['45.0.0.2/24', '2a00:45::2/64']);
    await node.link('pods0', ['10.1.0.1/24', 'fd5a:1::1/64'], this.pods, 'eth0', [`${BEHIND}/24`, 'fd5a:1::2/64']);
    const forwarding = 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1';
    await this.laptop.runAll(`
      ip route add default via 192.168.77.1
      ip route add ::/0 via 2a00:77::1
      mount -t sysfs sysfs /sys
      mkdir -p /run/.etc/upper /run/.etc/work
      mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work /etc
      rm -f /etc/resolv.conf
      sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1
    `);
    const resolv = `# the office\nnameserver ${LAN_DNS}\nsearch office.example\n`;
    await this.laptop.commands.run(['sh', '-c', 'printf %s "$1" > /etc/resolv.conf', 'sh', resolv]);
    await this.router.runAll(`
      ${forwarding}
      ip route add default via 46.0.0.2
      ip route add ::/0 via 2a00:46::2
      nft add table inet seen
      nft add counter inet seen strays
      nft add chain inet seen out { type filter hook forward priority 0 ; }
      nft add rule inet seen out iifname lan0 udp dport != 51840 counter name strays
      nft add rule inet seen out iifname lan0 meta l4proto != udp counter name strays
    `);
    await this.internet.runAll(`
      ${forwarding}
      ip route add 192.168.77.0/24 via 46.0.0.1
      ip route add 2a00:77::/64 via 2a00:46::1
      ip address add 8.8.8.8/32 dev lo
      ip route add local 0.0.0.0/0 dev lo table main
      ip route add local ::/0 dev lo table main
    `);
    await node.runAll(`
      ip route add default via 45.0.0.2
      ip route add ::/0 via 2a00:45::2
    `);
  }

  async #serve(): Promise<void> {
    const { namespace, folder } = this.gateway;
    const wireguard = dirname(await wireguardGo());
    this.#path = [dirname(process.execPath), wireguard, process.env.PATH ?? ''].join(delimiter);
    const service = { clusterIp: CLUSTER_DNS, port: 53, endpoint: BEHIND, targetPort: 53 };
    const ports = (['udp', 'tcp'] as const).map((protocol) => ({ ...service, protocol }));
    const six = { ...service, protocol: 'udp' as const, clusterIp: 'fd5a:96::a', endpoint: 'fd5a:1::2' };
    await standInForKubeProxy(namespace, folder, 'nftables', [...ports, six]);
    await this.serve();
    this.#running.push(
      await startProgram(this.internet.commands, 'backend.ts 8080 7007 5353'),
      await startProgram(this.router.commands, 'backend.ts 8080 7007 5353'),
      // Somebody who would answer by TLS and by LLMNR.
      await startProgram(this.router.commands, 'backend.ts 8081 853 5355'),
      await startProgram(this.internet.commands, 'stub-dns.ts 8.8.8.8=9.9.9.9'),
    );
    this.#dns.push(await DnsServers.start(this.router, { [LAN_DNS]: ANSWERS[LAN_DNS] }));
    this.#dns.push(await DnsServers.start(this.pods, { [BEHIND]: ANSWERS[CLUSTER_DNS] }));
  }
}

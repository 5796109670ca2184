import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Running } from '../../src/host/exec.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import type { TestCluster } from './cluster.ts';
import { startProgram } from './mesh.ts';

export type LaptopName = 'alice' | 'bob';
/** A gateway node and the laptops that scan it. */
export type Scanned = Pick<TestCluster, 'gateway' | LaptopName>;
/** What one target of a scan did: answered, said no, or nothing at all. */
export type Outcome = 'open' | 'refused' | 'silent';
/** An address of each family. */
export type Source = readonly [four: string, six: string];

const PROGRAM = join(import.meta.dirname, 'programs/reach.ts');
const TCP = [7, 22, 53, 80, 443, 2379, 6443, 7007, 8080, 8443, 10250, 30080, 30443, 51840];
const UDP = [53, 443, 5353, 8080, 8472, 10000, 51840];
/** Those that the node proxies, and one in each family that nobody has. */
const SERVICE_ADDRESSES = ['10.96.0.1', '10.96.0.10', '10.96.0.20', '10.96.0.30', '10.96.0.31', '10.96.9.9'].concat(
  ['1', 'a', '20', '30', '99'].map((host) => `fd5a:96::${host}`),
);
/** Of the node, of a pod, of whatever lies behind, a cloud's metadata service, and the mesh's own. */
const OTHERS = ['10.1.0.1', '10.1.0.2', '10.1.0.254', '169.254.169.254', '10.213.0.1', '10.213.0.15'].concat([
  'fd5a:1::1',
  'fd5a:1::2',
  'fd5a:1::fe',
  'fd00:ec2::254',
  'fd5a:213::1',
  'fd5a:213::f',
]);
/** Somebody answers there too, so that no packet is lost where it gets by mistake. */
const BEHIND = ['10.1.0.254', '169.254.169.254', '10.96.9.9', 'fd5a:1::fe', 'fd00:ec2::254', 'fd5a:96::99'];
const PATIENCE_MS = 4000;
/** Nobody is expected to answer. */
const SHORT_PATIENCE_MS = 600;

/** Puts more listeners in the way of stray packets, and lets the laptops send anything through the tunnel. */
export async function prepareForScans({ gateway, backend, ...laptops }: TestCluster): Promise<readonly Running[]> {
  const { files } = gateway.namespace;
  // Every refusal is to be heard, however many there are.
  await files.write('/proc/sys/net/ipv4/icmp_ratemask', '0');
  for (const address of BEHIND)
    await backend.run(`ip address add ${address} dev lo${address.includes(':') ? ' nodad' : ''}`);
  await gateway.namespace.run('ip route add 169.254.169.254 via 10.1.0.2');
  await gateway.namespace.run('ip route add fd00:ec2::254 via fd5a:1::2');
  // Node ports, which kube-proxy opens at every address that the node has: of a pod, and of a program on the node itself.
  await gateway.namespace.runAll(`
    nft add table inet node_ports
    nft add chain inet node_ports prerouting { type nat hook prerouting priority dstnat ; }
    nft add rule inet node_ports prerouting fib daddr type local tcp dport 30080 dnat ip to 10.1.0.2:8080
    nft add rule inet node_ports prerouting fib daddr type local tcp dport 30080 dnat ip6 to [fd5a:1::2]:8080
    nft add rule inet node_ports prerouting fib daddr type local tcp dport 30443 dnat ip to 10.1.0.1:6443
  `);
  for (const name of ['alice', 'bob'] as const) {
    const { namespace } = laptops[name];
    await namespace.run(`wg set wg0 peer ${gateway.keys.publicKey} allowed-ips 0.0.0.0/0,::/0`);
    for (const to of ['169.254.169.254', 'fd00:ec2::254', otherUnderlay(name)])
      await namespace.run(`ip route add ${to} dev wg0`);
  }
  const { commands } = laptops.alice.namespace;
  return [
    await startProgram(backend.commands, 'backend.ts 80 443 53 10250 22 8080'),
    await startProgram(gateway.namespace.commands, 'backend.ts 51840 2379 8472'),
    await startProgram(commands, 'backend.ts 8080 7007 5353'),
  ];
}

/** Every port class at every kind of address, as `programs/reach.ts` reads them. */
export function scanTargets(name: LaptopName): readonly string[] {
  const other = name === 'alice' ? ['10.213.0.17', 'fd5a:213::17'] : ['10.213.0.16', 'fd5a:213::16'];
  return [...SERVICE_ADDRESSES, ...OTHERS, ...other, otherUnderlay(name)].flatMap(targetsAt);
}

/** Scans the node by an address of the link itself, as an interface may have one. */
export async function reachLinkLocal(cluster: TestCluster, name: LaptopName): Promise<readonly Outcome[]> {
  const node = cluster.gateway.namespace;
  await node.run(`ip address add fe80::7/64 dev ${PLAN_NAMES.device} nodad`);
  await cluster[name].namespace.run('ip route replace fe80::/64 dev wg0');
  try {
    return await reach(cluster, name, targetsAt('fe80::7%wg0'), SHORT_PATIENCE_MS);
  } finally {
    await node.run(`ip address delete fe80::7/64 dev ${PLAN_NAMES.device}`);
  }
}

/** Tries all targets at once from a laptop, with its own addresses. */
export async function reach(
  cluster: Scanned,
  name: LaptopName,
  targets: readonly string[],
  patience = PATIENCE_MS,
): Promise<readonly Outcome[]> {
  const [four = '', six = ''] = cluster[name].addresses.map((cidr) => cidr.replace(/\/.*/, ''));
  return reachFrom(cluster, name, targets, { source: [four, six], patience });
}

/** Tries the targets with addresses that are not the laptop's, each pair of them at the same time. */
export async function spoof(
  cluster: TestCluster,
  name: LaptopName,
  targets: readonly string[],
  stolen: readonly Source[],
): Promise<readonly Outcome[]> {
  const { namespace } = cluster[name];
  const change = async (what: 'add' | 'delete') => {
    for (const address of stolen.flat())
      await namespace.run(
        `ip address ${what} ${address} dev lo${address.includes(':') && what === 'add' ? ' nodad' : ''}`,
      );
  };
  await change('add');
  try {
    const all = stolen.map((source) => reachFrom(cluster, name, targets, { source, patience: SHORT_PATIENCE_MS }));
    return (await Promise.all(all)).flat();
  } finally {
    await change('delete');
  }
}

/** Counts what comes out of the tunnel, from the laptop's own addresses and from any others. */
export async function watchSources({ gateway, ...laptops }: Scanned, name: LaptopName) {
  const [four = '', six = ''] = laptops[name].addresses.map((cidr) => cidr.replace(/\/.*/, ''));
  await gateway.namespace.runAll(`
    nft add table inet watched
    nft delete table inet watched
    nft add table inet watched
    nft add chain inet watched sources { type filter hook prerouting priority -300 ; }
    nft add rule inet watched sources iifname ${PLAN_NAMES.device} ip saddr ${four} counter
    nft add rule inet watched sources iifname ${PLAN_NAMES.device} ip6 saddr ${six} counter
    nft add rule inet watched sources iifname ${PLAN_NAMES.device} ip saddr != ${four} counter
    nft add rule inet watched sources iifname ${PLAN_NAMES.device} ip6 saddr != ${six} counter
  `);
  return async () => {
    const text = await gateway.namespace.run('nft list table inet watched');
    const [own4 = 0, own6 = 0, others4, others6] = text.matchAll(/packets (\d+)/g).map(([, count]) => Number(count));
    return { own: Math.min(own4, own6), others4, others6 };
  };
}

async function reachFrom(
  { gateway, ...laptops }: Scanned,
  name: LaptopName,
  targets: readonly string[],
  { source, patience }: { readonly source: Source; readonly patience: number },
): Promise<readonly Outcome[]> {
  const file = join(gateway.folder, `targets-${name}-${source.join()}-${targets.length}`);
  await writeFile(file, JSON.stringify(targets));
  const words = [process.execPath, PROGRAM, file, String(patience), ...source];
  return JSON.parse(await laptops[name].namespace.commands.run(words));
}

function targetsAt(address: string): readonly string[] {
  return [
    `ping ${address}`,
    ...TCP.map((port) => `tcp ${address} ${port}`),
    ...UDP.flatMap((port) => [`udp ${address} ${port}`, `fragments ${address} ${port}`]),
  ];
}

/** The node's address on the network that is not this laptop's. */
function otherUnderlay(name: LaptopName): string {
  return name === 'alice' ? '192.168.51.1' : '192.168.50.1';
}

import { must } from './mesh.ts';
import type { LabNode } from './node.ts';

/** Everything of a node's network that somebody could have changed, as its tools print it. */
export interface Footprint {
  readonly links: string;
  readonly rules: string;
  readonly routes: string;
  readonly nftables: string;
  readonly sysctls: string;
  /** Connections of devices that the kernel still keeps in mind. */
  readonly flows: string;
  /** Programs of ours that run, in pods or outside of them. */
  readonly programs: string;
}

/** The kernel counts connections there, whoever's they are; it is no setting. */
const COUNTER = /^net\.netfilter\.nf_conntrack_count /;
const PROGRAMS = /wireguard-go|(agent|operator)\.mjs/;

/** The node's network as it is now: nothing is left out but counters. */
export async function footprint(node: LabNode): Promise<Footprint> {
  const print = async (...argv: readonly string[]) => must(await node.exec(argv));
  const both = async (...argv: readonly string[]) =>
    `${await print('ip', '-4', ...argv)}${await print('ip', '-6', ...argv)}`;
  const lines = (text: string, wanted: (line: string) => boolean) => text.split('\n').filter(wanted).join('\n');
  return {
    links: await print('ip', '-d', 'link', 'show'),
    rules: await both('rule', 'show'),
    routes: await both('route', 'show', 'table', 'all'),
    nftables: await print('nft', '-s', 'list', 'ruleset'),
    sysctls: lines(await sysctls(node), (line) => line.startsWith('net.') && !COUNTER.test(line)),
    flows: (await node.exec(['conntrack', '-L', '-s', '10.213.0.0/16'])).stdout,
    programs: lines(await print('ps', '-eo', 'args'), (line) => PROGRAMS.test(line)),
  };
}

/** All but the tables of kube-proxy, which follows the cluster's other pods and not us. */
export function withoutServiceProxy(print: Footprint): Footprint {
  return { ...print, nftables: print.nftables.replace(/^table ip6? kube-proxy \{\n[\s\S]*?^\}\n/gm, '') };
}

/** Some switches can be written and not read, so its exit code says nothing. */
async function sysctls(node: LabNode): Promise<string> {
  return (await node.exec(['sysctl', '-a'])).stdout;
}

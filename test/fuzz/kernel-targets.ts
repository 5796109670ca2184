import { parseChainCounter, parseCountedElements } from '../../src/dataplane/nftables/counted.ts';
import { parseSetElements } from '../../src/dataplane/nftables/parse.ts';
import { toldPacket } from '../../src/dataplane/nftables/told-packet.ts';
import { parseMainRoutes } from '../../src/dataplane/routes/parse.ts';
import { UnreadableOutput } from '../../src/dataplane/unreadable.ts';
import { flowSource } from '../../src/host/conntrack-entries.ts';
import { linkDrift, tableDrift, transactions } from '../../src/host/drift.ts';
import { OwnElements } from '../../src/host/own-elements.ts';
import { chainsMode } from '../../src/host/proxy-mode.ts';
import { waysIn } from '../../src/laptop/full/ways.ts';
import { parseEndpoint } from '../../src/net/endpoint.ts';
import { mutatedText } from './mutate.ts';
import type { FuzzTarget } from './run.ts';
import { CONNTRACK, IP_ROUTES, NFT_TABLE } from './seeds.ts';
import { json, taken, text } from './target-kinds.ts';

const MONITOR = [
  'add chain inet mine forward { type filter hook forward priority filter - 5; policy accept; }',
  'delete element inet mine seen_denied4 { 10.213.0.16 . tcp . 10.96.9.9 . 80 expires 59m57s counter packets 1 bytes 60 }',
  'add element inet mine by_peer { 10.213.0.16 . 10.96.0.20 . 80, 10.213.0.17 . 10.96.0.20 . 80 }',
  'create chain ip nat KUBE-SERVICES',
  '# new generation 4 by process 20907 (firewalld)',
];
const TOLD = [
  'trace id 2eed3fbb inet mine moved_flow packet: iif "eth0" ip saddr 203.0.113.2 ip daddr 172.31.0.10 udp sport 37578 udp dport 51840 ',
  'trace id 00fc inet mine moved_flow packet: iif "eth0" ip6 saddr 2001:db8::2 ip6 daddr 2001:db8:1::10 ip6 nexthdr udp udp sport 40000 udp dport 51840 ',
];
const LINKS = [
  '7: wg-default: <POINTOPOINT,NOARP,UP> mtu 1420 qdisc noqueue state UNKNOWN \\    link/none ',
  'Deleted 9: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 \\    link/ether 02:42:ac:11:00:02 brd ff:ff:ff:ff:ff:ff',
  'ipv4 all forwarding off rp_filter off mc_forwarding off ',
  '10.213.0.0/16 dev wg-default proto 213 scope link ',
];
const COUNTED = {
  nftables: [
    { metainfo: { version: '1.0.6' } },
    {
      set: {
        name: 'seen',
        elem: [{ elem: { val: { concat: ['10.213.0.16', 80] }, counter: { packets: 1, bytes: 60 } } }, '10.0.0.1'],
      },
    },
    { rule: { expr: [{ match: {} }, { counter: { packets: 2, bytes: 99 } }] } },
  ],
};
const CHAINS = {
  nftables: [
    { metainfo: { version: '1.0.6' } },
    { chain: { family: 'ip', table: 'nat', name: 'KUBE-SERVICES', handle: 1 } },
    { chain: { family: 'ip', table: 'kube-proxy', name: 'services', handle: 2 } },
  ],
};
const RULES = [
  { priority: 5350, src: 'all', fwmark: '0x3550', table: 'main', protocol: '213' },
  { priority: 5351, src: 'all', dst: '45.0.0.1', ipproto: 'udp', dport: 51840, table: 'main', protocol: '213' },
  { priority: 5353, dst: '10.0.0.0', dstlen: 8, table: 'main', suppress_prefixlen: 0, protocol: '213' },
];

/** What the kernel announces, and what its programs list besides a node's own table, interface and routes. */
export const kernelTargets: readonly FuzzTarget[] = [
  monitor(),
  told(),
  text('ip monitor', LINKS, undefined, linkDrift(['wg-default', 'wg-default_2'])),
  json('nft list set', NFT_TABLE, UnreadableOutput, parseSetElements),
  json('nft counters', COUNTED, UnreadableOutput, (input) => {
    const [all, chain] = [parseCountedElements(input), parseChainCounter(input)];
    if ([...all, chain].some(({ packets, bytes }) => typeof packets !== 'number' || typeof bytes !== 'number'))
      throw new Error('a counter is no number');
  }),
  json('nft list chains', CHAINS, UnreadableOutput, chainsMode),
  json('ip route main', IP_ROUTES, UnreadableOutput, (input) => [parseMainRoutes(input, 4), parseMainRoutes(input, 6)]),
  json('ip rule', RULES, SyntaxError, (input) => waysIn(4, { rules: input, routes: input })),
  text('source in conntrack', [CONNTRACK], undefined, flowSource),
];

/** What a line says is one of a few sentences, and a program's name stands on the line that names it. */
function monitor(): FuzzTarget {
  const all = [...MONITOR, ...TOLD].join('\n');
  return {
    name: 'nft monitor',
    next: (random) => mutatedText(all, random),
    accepts: (input) => {
      const own = new OwnElements(() => 0);
      own.expect('mine', [{ set: 'by_peer', added: ['10.213.0.16 . 10.96.0.20 . 80'], removed: [] }]);
      const hears = transactions(tableDrift('mine', (line) => own.heard(line)));
      const said = (input as string).split('\n').map((line) => ({ line, ...hears(line) }));
      for (const { line, by } of said) if (by !== undefined && !line.includes(by)) throw new Error(`who is "${by}"?`);
      return said.some(({ what }) => what !== undefined);
    },
  };
}

/** Whoever is told of has an endpoint that can be called. */
function told(): FuzzTarget {
  return {
    name: 'nft trace',
    next: (random) => mutatedText(TOLD[random() < 0.5 ? 0 : 1] ?? '', random),
    accepts: (input) => {
      const packet = toldPacket(input as string);
      if (packet === undefined) return false;
      return taken(undefined, () => {
        const { from } = packet;
        const endpoint = parseEndpoint(from);
        if (!endpoint.ok || endpoint.value !== from) throw new Error(`${from} is no endpoint`);
      });
    },
  };
}

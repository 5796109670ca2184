import { randomBytes } from 'node:crypto';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { DEVICE, TABLE, wgOn } from './gateway-node.ts';
import { must } from './mesh.ts';
import type { LabNode } from './node.ts';

/** Something that somebody else does to a gateway node. */
export interface Drift {
  /** The subject of a sentence that ends in "is mended". */
  readonly what: string;
  /** Each kind of mending comes once per node: the same Event again would only be counted up. */
  readonly on: 'node-1' | 'node-2';
  /** Does it; `publicKey` is that of a device that the node lets in. */
  readonly harm: (node: LabNode, publicKey: string) => Promise<unknown>;
  /** Whether only a node whose WireGuard is a program can suffer it. */
  readonly ofProgram?: true;
  /** Whether the kernel announces it as a removal. */
  readonly removes?: true;
  /** What the Event must say. */
  readonly tells: string;
}

export const DRIFTS: readonly Drift[] = [
  {
    what: 'the deleted table',
    on: 'node-1',
    harm: command('nft', 'delete', 'table', 'inet', TABLE),
    removes: true,
    tells: `write nftables table ${TABLE}`,
  },
  {
    what: 'a host guard that lets everybody pass',
    on: 'node-2',
    harm: async (node) => {
      const listing = must(await node.exec(['nft', '-a', 'list', 'chain', 'inet', TABLE, 'to_node']));
      const handle = /comment "host guard" # handle (\d+)/.exec(listing)?.[1] ?? '';
      must(await node.exec(['nft', 'replace', 'rule', 'inet', TABLE, 'to_node', 'handle', handle, 'accept']));
    },
    tells: `write nftables table ${TABLE}`,
  },
  {
    what: 'the Services’ range deleted from its set',
    on: 'node-1',
    harm: command('nft', 'delete', 'element', 'inet', TABLE, 'services4', '{ 10.96.0.0/16 }'),
    tells: 'change elements of services4',
  },
  {
    what: 'the deleted route',
    on: 'node-1',
    harm: command('ip', 'route', 'delete', '10.213.0.0/16', 'dev', DEVICE),
    removes: true,
    tells: `add route 10.213.0.0/16 dev ${DEVICE}`,
  },
  {
    what: 'the deleted address',
    on: 'node-2',
    harm: command('ip', 'address', 'delete', '10.213.0.1/32', 'dev', DEVICE),
    removes: true,
    tells: `add address 10.213.0.1/32 to ${DEVICE}`,
  },
  {
    what: 'forwarding that was turned off',
    on: 'node-2',
    harm: command('sysctl', '-qw', 'net.ipv4.ip_forward=0'),
    tells: 'turn on IPv4 forwarding',
  },
  {
    what: 'a strict reverse path filter',
    on: 'node-1',
    harm: command('sysctl', '-qw', `net.ipv4.conf.${DEVICE}.rp_filter=1`),
    tells: `set rp_filter of ${DEVICE} to 2`,
  },
  {
    what: 'another listen port',
    on: 'node-2',
    harm: (node) => wgOn(node, ['set', DEVICE, 'listen-port', '51999']),
    tells: `set listen port 51840 of ${DEVICE}`,
  },
  {
    what: 'an intruding peer',
    on: 'node-2',
    harm: (node) => {
      const { publicKey } = keyPairFrom(randomBytes(32));
      return wgOn(node, ['set', DEVICE, 'peer', publicKey, 'allowed-ips', '10.213.200.200/32']);
    },
    tells: `remove 1 peer on ${DEVICE}`,
  },
  {
    what: 'a peer with more addresses than its own',
    on: 'node-2',
    harm: (node, publicKey) => wgOn(node, ['set', DEVICE, 'peer', publicKey, 'allowed-ips', '10.213.0.0/16']),
    tells: `change 1 peer on ${DEVICE}`,
  },
  {
    what: 'the deleted peer',
    on: 'node-1',
    harm: (node, publicKey) => wgOn(node, ['set', DEVICE, 'peer', publicKey, 'remove']),
    tells: `add 1 peer on ${DEVICE}`,
  },
  {
    what: 'the interface that was set down',
    on: 'node-1',
    harm: command('ip', 'link', 'set', DEVICE, 'down'),
    tells: `set ${DEVICE} up`,
  },
  {
    what: 'the killed wireguard-go',
    on: 'node-2',
    ofProgram: true,
    harm: command('pkill', '-KILL', '-xf', `wireguard-go -f ${DEVICE}`),
    tells: `start wireguard-go on interface ${DEVICE}`,
  },
  {
    what: 'the deleted interface',
    on: 'node-1',
    harm: command('ip', 'link', 'delete', DEVICE),
    removes: true,
    tells: `create interface ${DEVICE}`,
  },
];

function command(...argv: readonly string[]): Drift['harm'] {
  return async (node) => must(await node.exec(argv));
}

/** Something to look at: a file's name, and the command whose output becomes its text. */
export interface Look {
  readonly file: string;
  readonly argv: readonly string[];
}

/** `wg show` hides private and preshared keys; `wg showconf` and `dump` would not. An agent's sockets are among its own mounts. */
const WIREGUARD =
  'wg show all; for agent in $(pgrep -xf "node /app/agent.mjs"); do echo "# agent $agent"; nsenter -t "$agent" -m wg show all; done';

const SYSCTLS =
  'net\\.(ipv4|ipv6)\\.(ip_forward|conf\\..*\\.(forwarding|rp_filter|src_valid_mark|accept_local|disable_ipv6|mtu)$)|net\\.netfilter\\.nf_conntrack_(count|max)';

/** What a network is made to do, WireGuard aside. */
const NETWORK: readonly Look[] = [
  { file: 'links.txt', argv: ['ip', '-d', '-s', 'link'] },
  { file: 'addresses.txt', argv: ['ip', '-d', 'address'] },
  { file: 'routes.txt', argv: ['ip', '-d', 'route', 'show', 'table', 'all'] },
  { file: 'rules.txt', argv: ['ip', '-d', 'rule'] },
  { file: 'neighbours.txt', argv: ['ip', 'neighbour'] },
  { file: 'nftables.txt', argv: ['nft', 'list', 'ruleset'] },
  { file: 'connections.txt', argv: ['conntrack', '-L'] },
  { file: 'sockets.txt', argv: ['ss', '-anp', '--inet'] },
  { file: 'sysctls.txt', argv: ['sysctl', '-a', '-r', SYSCTLS] },
];

/** What the kernel of a node or laptop is made to do. */
export const MACHINE: readonly Look[] = [
  { file: 'wireguard.txt', argv: ['sh', '-c', WIREGUARD] },
  ...NETWORK,
  { file: 'processes.txt', argv: ['ps', '-eo', 'pid,ppid,etime,stat,args'] },
];

/** Each supervisor of a tunnel has a log; most laptops of the lab run none. */
const SUPERVISORS = 'for log in /run/sallyport/*.log; do [ ! -e "$log" ] || tail -n +1 -v "$log"; done';

export const LAPTOP: readonly Look[] = [...MACHINE, { file: 'supervisors.txt', argv: ['sh', '-c', SUPERVISORS] }];

/** What the kernel does in a network namespace; its processes cannot be told from those of the machine, which are nobody's business. */
export const NAMESPACE: readonly Look[] = [{ file: 'wireguard.txt', argv: ['wg', 'show', 'all'] }, ...NETWORK];

/** Never Secrets, and nothing that holds one: a private key must not land in a folder that is uploaded. */
const KINDS = [
  'meshgateways.sallyport.dev',
  'meshpeers.sallyport.dev',
  'meshgatewaynodes.sallyport.dev',
  'meshaccesses.sallyport.dev',
  'clustermeshaccesses.sallyport.dev',
  'nodes',
  'pods',
  'daemonsets',
  'deployments',
  'services',
  'endpointslices',
  'leases',
  'events',
] as const;

/** What the API server knows, as arguments of kubectl. */
export const OBJECTS: readonly Look[] = [
  {
    file: 'overview.txt',
    argv: [
      'get',
      'nodes,pods,meshgateways,meshpeers,meshgatewaynodes,meshaccesses,clustermeshaccesses',
      '-A',
      '-o',
      'wide',
    ],
  },
  ...KINDS.map((kind) => ({ file: `${kind.split('.')[0]}.yaml`, argv: ['get', kind, '-A', '-o', 'yaml'] })),
];

/**
 * What the tests prove, in words for whoever decides whether to trust them: a sentence for a test file or, where no file of a
 * folder has one of its own, for the folder. A file that is not here speaks through the titles of its tests.
 */
export const CLAIMS: Readonly<Record<string, string>> = {
  'test/agent': 'an agent brings its node to where it should be, and says what it sees',
  'test/api': 'what people write is typed, bounded and explained by the CRDs',
  'test/chart': 'the chart renders what is meant, with no more rights than needed, and refuses wrong values',
  'test/cli': 'the command line tells the truth and changes nothing unasked',
  'test/cli/path': 'the counters, checks and names behind the choice of an endpoint',
  'test/cli/names': 'names go where they belong; resolv.conf comes back byte by byte, also after a crash',
  'test/dataplane': 'Linux objects: their text, and the way from any state to any other',
  'test/fuzz': 'no parser of outside text crashes, hangs or swells, whatever it is fed',
  'test/host': 'commands, keys and the fake host do as the real ones do',
  'test/k8s': 'lists, watches, leases, retries and proxies hold against a server that misbehaves',
  'test/laptop/path': 'a laptop leaves an endpoint that is dead within a second, and none for a lost packet',
  'test/laptop/names': 'which name is asked where; what each system is told to make it so',
  'test/laptop': 'what a laptop does is decided without touching it: its tunnel, its names, its path, its advice',
  'test/mesh': 'who is let in, with which address, through which firewall, and what the status says',
  'test/net': 'addresses, prefixes and keys are right once parsed; addresses stay with their owner',
  'test/operator': 'the operator validates, allocates, owns and cleans up; only one leads',
  'test/runtime': 'logs, clocks, signals, and who may read metrics',
  'test/scripts': 'the tools of the project: set-up, demo, tallies, workflows, the tree itself',
  'test/support': 'what tests lean on does what it says: the bad network is the same for the same seed',
  'test/usermode': "WireGuard's handshake and transport in user space, by the official vectors",
  'test/cases.test.ts': 'every story: resources and facts in, configuration and status out; twice does nothing',
  'test/docs.test.ts': 'the documents match the code',
  'test/generated.test.ts': 'every generated file is what the sources print',
  'test/layers.test.ts': 'pure code stays pure, and layers import only what they may',
  'test/netns/access.test.ts':
    'what is granted passes and nothing else, as packets see it; what ends is cut, and nothing else is',
  'test/netns/audit.test.ts':
    'the audit log tells what was refused, and asked for what was let in, once per connection; a flood keeps it short',
  'test/netns/balancer.test.ts':
    'a device that a load balancer takes to another node is called there at once, through the NAT before it',
  'test/netns/bad-network.test.ts':
    'delay, loss and a NAT that forgets change no decision; a path that swallows all is told in time',
  'test/netns/calling.test.ts':
    'a device with nothing but WireGuard goes to the node that calls it, and stays where it is told to',
  'test/netns/contested.test.ts':
    'a program that undoes our work again and again is named, and given way to until it ends',
  'test/netns/drift.test.ts': 'what somebody else changed on a node is noticed and mended',
  'test/netns/evidence.test.ts':
    'a failing test in namespaces leaves what the kernel did in each, and not its private key',
  'test/netns/configurations.test.ts':
    'each device gets its own present configuration at the mesh address of its gateway, and nobody else does',
  'test/netns/flood.test.ts':
    'whoever floods a node, with the key of a device or with none, is bounded, and others are served meanwhile',
  'test/netns/foreign-firewall.test.ts': 'a firewall that is not ours and drops our packets is named, with its remedy',
  'test/netns/full-tunnel.test.ts':
    'a full tunnel sends everything out by the node, lets nothing out beside it, and ends without a trace',
  'test/netns/internet.test.ts':
    'who is carried to the internet reaches that, and nothing that he did not reach before',
  'test/netns/namespace.test.ts': 'a namespace of the tests ends with whoever made it, and with all that ran in it',
  'test/netns/other-gateway.test.ts':
    'a device of one gateway that sends to a node of another gets there what was granted, if it is let in',
  'test/netns/outsider.test.ts': 'who has no key gets nothing from a node, not even an answer',
  'test/netns/seal.test.ts': 'a table that somebody changes while it is written is not taken for whole',
  'test/netns/node-faults.test.ts':
    'what a node lacks or has in the way is named, with its remedy, and mended once that is done',
  'test/netns/gateway-key.test.ts':
    'a gateway changes its key under running requests: who moves loses none, who stays is served until the end',
  'test/netns/host.test.ts': 'the contract of a host, by the real wg, ip and nft',
  'test/netns/names.test.ts':
    'names of the cluster are asked there and all others where they were, by the real C library',
  'test/netns/names-resolved.test.ts': 'a real systemd-resolved asks names of the cluster there and no others',
  'test/netns/names-networkmanager.test.ts': 'the same while a real NetworkManager rewrites resolv.conf',
  'test/netns/names-resolvconf.test.ts': "the same beside a real openresolv and Debian's resolvconf",
  'test/netns/node.test.ts': 'a plan becomes a real interface, firewall and routes, also with 1,000s of peers',
  'test/netns/packets.test.ts':
    'packets reach the Services a device may use and nothing else, beside real kube-proxy rules',
  'test/netns/path.test.ts':
    'a laptop finds the node of its gateway that answers, and moves to it when the one it dialled is gone',
  'test/netns/prometheus.test.ts':
    'the real promtool takes the metrics, the queries of the dashboard and the alerts, which fire when they should',
  'test/netns/preshared-keys.test.ts': 'a laptop with a preshared key connects; with a wrong one it does not',
  'test/netns/rotating-key.test.ts':
    'a device that changes its key is served by the one that it uses, whenever it dies; revocation ends both at once',
  'test/netns/image.test.ts':
    'the image holds what its list says and no shell, its programs work in it, and the lab runs the same files',
  'test/netns/usermode.test.ts': "the agent's own WireGuard speaks with the real one",
  'test/kernel/balancer.test.ts':
    'the same on kernel WireGuard, with kube-proxy in nftables, iptables and ipvs mode before it',
  'test/kernel/bad-network.test.ts': 'the bad network of the tests does what the kernel’s own netem does',
  'test/kernel/node-faults.test.ts': 'the same faults of a node on kernel WireGuard, and without IPv6',
  'test/kernel/guest.test.ts': 'a kernel with WireGuard of our own build boots, runs programs and ends',
  'test/kernel/calling.test.ts': 'a device goes to the node that calls it, over kernel WireGuard',
  'test/kernel/drift.test.ts': 'what somebody else changed on a node is noticed and mended, on kernel WireGuard',
  'test/kernel/host.test.ts':
    'the contract of a host, every operation and random walks between plans, on kernel WireGuard',
  'test/kernel/path.test.ts': 'a laptop with kernel WireGuard moves to the node of its gateway that answers',
  'test/kernel/gateway-key.test.ts': 'a gateway changes its key under running requests, over kernel WireGuard',
  'test/kernel/rotating-key.test.ts': 'a device changes its key over kernel WireGuard',
  'test/kernel/packets.test.ts':
    'packets reach the Services a device may use and nothing else, through kernel WireGuard',
  'test/faults':
    'what a running load loses, and for how long, while one thing after the other goes wrong: nothing, or as little as docs/reliability.md says',
  'test/faults/most-nodes.test.ts': 'the same on four nodes, while most of them die or are cut off from the others',
  'test/lab/entry.test.ts':
    'where devices enter: a forwarded port, a load balancer, the port of every node, names in DNS; each is told and checked',
  'test/lab/full-tunnel.test.ts':
    'a full tunnel is offered, asked for, taken back and ended on a cluster, and leaves no trace',
  'test/lab/takeover.test.ts':
    'a device whose node dies, is cordoned or rolled is called by another node; one whose node lives stays',
  'test/lab/gateway-key.test.ts':
    'on a cluster: a new key without a failed request, a phone that is named and served until the end, a Secret that may vanish',
  'test/lab/access.test.ts':
    'two teams reach what they were granted, kubectl and explain say the same, and it ends with the operator down',
  'test/lab/apiserver-contract.test.ts': 'the fake API server of the tests behaves as the real one',
  'test/lab/chart-install.test.ts': 'the chart and all rights in it, on a real API server',
  'test/lab/conditions.test.ts':
    'whatever is wrong becomes a condition that says why and what to do, and disturbs nobody',
  'test/lab/crd-validation.test.ts': 'the real API server accepts and refuses what the schema says',
  'test/lab/describe.test.ts': '`kubectl describe` alone tells what works, what does not, and what to do',
  'test/lab/doctor.test.ts':
    'of thirty things that are broken on purpose, `sallyport doctor` names the hop, and what it says to do mends it',
  'test/lab/evidence.test.ts': 'a failing test of the lab leaves logs, objects, kernel state and a capture, and no key',
  'test/lab/isolation.test.ts': 'a device reaches Services, but no node, no pod, no other device',
  'test/lab/join.test.ts':
    'one command lets a laptop in, by name and without credentials from then on; leaving leaves nothing',
  'test/lab/network-policy.test.ts':
    'the operator does its work with no connection but those that its NetworkPolicy admits',
  'test/lab/published.test.ts': 'the npm package holds the program alone and runs on every Node it promises',
  'test/lab/kind.test.ts': 'the demo’s configuration of kind is one that kind accepts',
  'test/lab/main-job.test.ts':
    'a laptop with stock tools reaches Services by name, through kernel and userspace WireGuard',
  'test/lab/matrix.test.ts':
    'the main job in every setting and to every kind of backend, as docs/compatibility.md says',
  'test/lab/many-preshared-keys.test.ts':
    'the Secret of ten thousand preshared keys is one that a real API server stores',
  'test/lab/preshared-key.test.ts': 'preshared keys: made, used, changed, withdrawn, never shown',
  'test/lab/remote-shell.test.ts': 'commands reach a node with a kernel of its own as they reach any other',
  'test/lab/restart.test.ts': 'agents, operators and DaemonSets restart, others interfere: laptops go on by themselves',
  'test/lab/revocation.test.ts':
    'whoever is deleted, suspended or expired is out within a second, also with the operator down',
  'test/lab/rotate.test.ts':
    'a device changes its key without a failed request, and stays in whenever that is interrupted',
  'test/lab/smoke.test.ts':
    'the lab is a real cluster: pods, Services, DNS, both modes of kube-proxy, a node that dies',
  'test/lab/upgrade.test.ts': 'an upgrade from the version before, and back: addresses stay, traffic goes on',
  'test/lab/uninstall.test.ts': 'an uninstallation leaves every node as it was; a new one gives the old addresses back',
};

/** What a file of tests proves, and the key that is shared by all files of the same claim. */
export interface Claim {
  readonly key: string;
  readonly text: string;
}

/** The claim of a test file, by its path from the project's top; `titles` are those at the top of the file. */
export function claimOf(path: string, titles: readonly string[]): Claim {
  for (let key = path; key.includes('/'); key = key.slice(0, key.lastIndexOf('/'))) {
    const text = CLAIMS[key];
    if (text !== undefined) return { key, text };
  }
  return { key: path, text: titles.join('; ') };
}

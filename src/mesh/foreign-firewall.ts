import type { ForeignChain, ForeignRuleset } from '../dataplane/nftables/foreign.ts';
import { type ImaginedPacket, OTHER } from '../dataplane/nftables/imagined-packet.ts';
import { type Passage, passage } from '../dataplane/nftables/passage.ts';
import type { Family } from '../net/address.ts';
import { CONFIGURATION_PORT } from './client-configuration.ts';

/** Of whose packets, and what the probe and the devices say about them. */
export interface Passing {
  readonly device: string;
  readonly listenPort: number;
  /** Families of the mesh on this node. */
  readonly families: readonly Family[];
  /** The step at which the node's own probe fails, if it does. */
  readonly failing?: 'handshake' | 'services' | undefined;
  /** Whether some device has a live session here, so that its packets arrive. */
  readonly hasSessions: boolean;
}

/** Whose interface, on which host. */
type Place = Pick<Passing, 'device' | 'listenPort' | 'families'>;

/**
 * What the packets of a gateway do to a host: come as UDP, go on into the cluster and back, end on the node itself, and ask the
 * gateway for a configuration there.
 */
type Way = 'forward' | 'node' | 'tunnel' | 'question';

interface Obstacle {
  readonly chain: ForeignChain;
  readonly way: Way;
}

/** More are not named in one sentence. */
const MOST_NAMED = 3;

/**
 * One or more sentences about firewalls of others that drop the mesh's packets, each with its remedy; undefined when nothing
 * speaks for it. A chain that surely drops them is named whatever the probe says, unless devices prove the contrary; one that
 * drops what it does not accept only while the probe fails at what such a chain can break. An `accept` of ours would not help:
 * a packet must pass every base chain of a hook.
 */
export function foreignFirewall(ruleset: ForeignRuleset, passing: Passing): string | undefined {
  const found = obstacles(ruleset, passing);
  const sentences = found.slice(0, MOST_NAMED).map((obstacle) => sentence(obstacle, ruleset, passing));
  if (passing.failing === 'services') sentences.push(...ruleset.unseen.map(unseen));
  return sentences.length === 0 ? undefined : sentences.join(' ');
}

/**
 * A sentence about a firewall of others that surely drops what devices ask the gateway itself, with its remedy; undefined when there
 * is none. It harms nothing else, and no probe asks, so what is not sure is not told.
 */
export function firewallBeforeAnswers(ruleset: ForeignRuleset, place: Place): string | undefined {
  const { device, families } = place;
  const packet = { device, iif: device, protocol: 'tcp', dport: CONFIGURATION_PORT, ctState: 'new' } as const;
  const chain = ruleset.chains.find(
    (one) =>
      isJudged(one) &&
      one.hook === 'input' &&
      isMeshFamily(one, families) &&
      passage(ruleset, one, packet) === 'closed',
  );
  return chain === undefined ? undefined : sentence({ chain, way: 'question' }, ruleset, place);
}

function obstacles(ruleset: ForeignRuleset, passing: Passing): readonly Obstacle[] {
  const found = ruleset.chains.filter(isJudged).flatMap((chain) => {
    const ways = new Set<Way>();
    for (const { way, packet } of packets(chain, passing)) {
      if (isObstacle(way, passage(ruleset, chain, packet), passing)) ways.add(way);
    }
    return [...ways].map((way) => ({ chain, way }));
  });
  return found.sort((one, other) => (named(one) < named(other) ? -1 : 1));
}

function isJudged({ type, hook, table }: ForeignChain): boolean {
  return type === 'filter' && hook !== undefined && table !== 'kube-proxy';
}

function isMeshFamily({ family }: ForeignChain, families: readonly Family[]): boolean {
  return family === 'inet' || families.some((one) => family === (one === 4 ? 'ip' : 'ip6'));
}

/** The packets that pass a chain. The node's own gateway talks to its devices over IPv4 as far as anybody can tell here. */
function packets(
  chain: ForeignChain,
  { device, listenPort, families }: Passing,
): readonly { readonly way: Way; readonly packet: ImaginedPacket }[] {
  const { hook, family } = chain;
  const tunnel = { device, protocol: 'udp', ctState: 'new' } as const;
  if (hook === 'forward' && isMeshFamily(chain, families))
    return [
      { way: 'forward', packet: { device, iif: device, oif: OTHER, ctState: 'new' } },
      { way: 'forward', packet: { device, iif: OTHER, oif: device, ctState: 'established' } },
    ];
  const arriving = { ...tunnel, iif: OTHER, dport: listenPort };
  if (hook === 'input')
    return [
      ...(family === 'ip6' ? [] : [{ way: 'tunnel', packet: arriving } as const]),
      ...(isMeshFamily(chain, families)
        ? [{ way: 'node', packet: { device, iif: device, ctState: 'new' } } as const]
        : []),
    ];
  if (hook === 'prerouting' && family !== 'ip6') return [{ way: 'tunnel', packet: arriving }];
  if (hook === 'output' && family !== 'ip6')
    return [{ way: 'tunnel', packet: { device, protocol: 'udp', oif: OTHER, sport: listenPort } }];
  return [];
}

function isObstacle(way: Way, how: Passage, { failing, hasSessions }: Passing): boolean {
  if (how === 'open') return false;
  if (way === 'node') return failing === 'services';
  if (way === 'forward') return how === 'closed' || failing === 'services';
  return (how === 'closed' && !hasSessions) || failing === 'handshake';
}

function named({ chain, way }: Obstacle): string {
  return `table ${chain.family} ${chain.table}, chain ${chain.name} ${way}`;
}

const DROPPED: Readonly<Record<Way, string>> = {
  forward: 'what the mesh forwards',
  node: 'what the mesh sends to this node itself',
  tunnel: "the devices' WireGuard packets",
  question: `what devices ask this node for their configuration (TCP port ${CONFIGURATION_PORT})`,
};

function sentence({ chain, way }: Obstacle, ruleset: ForeignRuleset, passing: Place): string {
  const place = `table ${chain.family} ${chain.table}, chain ${chain.name}`;
  const what = way === 'tunnel' ? `${DROPPED[way]} (UDP port ${passing.listenPort})` : DROPPED[way];
  const command = remedy(chain, way, ruleset, passing);
  return `A firewall that is not Sallyport's drops ${what}: ${place}. Accept it there with \`${command}\`, in a way that outlasts a restart of whatever writes that chain.`;
}

/** Commands for the node, in the tool that the table belongs to. */
function remedy(chain: ForeignChain, way: Way, ruleset: ForeignRuleset, passing: Place): string {
  const { family, table, name } = chain;
  if (table === 'firewalld') return firewalldRemedy(way, passing);
  const isIptables = (family === 'ip' || family === 'ip6') && table === 'filter' && /^[A-Z]+$/.test(name);
  if (!isIptables)
    return nftWords(chain, way, passing)
      .map((words) => `nft insert rule ${family} ${table} ${name} ${words} accept`)
      .join('; ');
  const hasDocker = ruleset.chains.some((one) => one.family === family && one.table === table && one.name === DOCKER);
  const target = name === 'FORWARD' && hasDocker ? DOCKER : name;
  const tool = family === 'ip' ? 'iptables' : 'ip6tables';
  return iptablesWords(chain, way, passing)
    .map((words) => `${tool} -I ${target} ${words} -j ACCEPT`)
    .join('; ');
}

/** Docker leaves this chain to the administrator and jumps to it first. */
const DOCKER = 'DOCKER-USER';

function firewalldRemedy(way: Way, { device, listenPort }: Place): string {
  return way === 'tunnel'
    ? `firewall-cmd --permanent --add-port=${listenPort}/udp && firewall-cmd --reload`
    : `firewall-cmd --permanent --zone=trusted --add-interface=${device} && firewall-cmd --reload`;
}

function nftWords({ hook }: ForeignChain, way: Way, { device, listenPort }: Place): readonly string[] {
  if (way === 'question') return [`iifname ${device} tcp dport ${CONFIGURATION_PORT}`];
  if (way === 'tunnel') return [`udp ${hook === 'output' ? 'sport' : 'dport'} ${listenPort}`];
  return way === 'node' ? [`iifname ${device}`] : [`iifname ${device}`, `oifname ${device}`];
}

function iptablesWords({ hook }: ForeignChain, way: Way, { device, listenPort }: Place): readonly string[] {
  if (way === 'question') return [`-i ${device} -p tcp --dport ${CONFIGURATION_PORT}`];
  if (way === 'tunnel') return [`-p udp --${hook === 'output' ? 'sport' : 'dport'} ${listenPort}`];
  return way === 'node' ? [`-i ${device}`] : [`-i ${device}`, `-o ${device}`];
}

function unseen(tool: string): string {
  return `${tool} has a filter table, whose rules cannot be seen from here: look whether they drop what the mesh forwards (${tool} -S FORWARD).`;
}

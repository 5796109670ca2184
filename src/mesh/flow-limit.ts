import type { Chain, NamedSet, Rule } from '../dataplane/nftables/ruleset.ts';

/*
 * A device that opens connections as fast as it can would fill the node's connection tracking in a second, and then nobody on the node
 * opens one. At its rate it takes minutes, and what it does not keep open is forgotten sooner.
 * What it opens beyond its rate is dropped before it has an entry there: an entry is confirmed only when its first packet has passed.
 * Dropped, not refused: TCP tries again a second later, so a program is slowed down and not told a lie.
 */

/** So many seconds' worth may come at once, as when a browser or a build starts. */
const BURST_SECONDS = 4;

/** One meter for each device, for each family; forgotten after a minute of peace. */
export function flowLimitSets(): readonly NamedSet[] {
  return ([4, 6] as const).map((n) => ({
    name: `opening${n}`,
    type: [n === 4 ? 'ipv4_addr' : 'ipv6_addr'],
    interval: false,
    timeout: '1m',
    elements: [],
  }));
}

/** Where what is too much ends. */
export const FLOOD: Chain = {
  name: 'flood',
  rules: [{ text: 'counter drop', comment: 'more new connections than spec.access.newConnectionsPerSecond' }],
};

/** Counts the first packet of each connection, of a datagram nobody answers too, and sends on what is beyond the rate. */
export function flowLimit(perSecond: number): readonly Rule[] {
  const burst = perSecond * BURST_SECONDS;
  return ([4, 6] as const).map((n) => ({
    text: `ct state new ct status & confirmed == 0 update @opening${n} { ${n === 4 ? 'ip' : 'ip6'} saddr limit rate over ${perSecond}/second burst ${burst} packets } goto flood`,
  }));
}

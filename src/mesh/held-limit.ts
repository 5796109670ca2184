import type { Chain, Rule } from '../dataplane/nftables/ruleset.ts';

/*
 * However slowly a device opens connections, what it never closes stays in the node's connection tracking, TCP for days after the last
 * packet. The agent counts what each device has open there, and names in the sets `full` those that have too much.
 * Refused, not dropped: unlike a rate this does not pass by itself, so trying again a second later is of no use, and a program that never
 * closes anything should hear of it at once.
 */

/** Where what is too much ends; stands after `refuse`. */
export const TOO_MANY: Chain = {
  name: 'too_many',
  rules: [
    { text: 'counter', comment: 'more open connections than spec.access.maxConnections' },
    { text: 'goto refuse' },
  ],
};

/** Asks of the first packet of each connection, and of no other, whether its device has too many open. */
export function heldLimit(): readonly Rule[] {
  return ([4, 6] as const).map((n) => ({
    text: `ct state new ct status & confirmed == 0 ${n === 4 ? 'ip' : 'ip6'} saddr @full${n} goto too_many`,
  }));
}

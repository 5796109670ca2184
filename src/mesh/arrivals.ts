import type { Chain, NamedSet } from '../dataplane/nftables/ruleset.ts';
import { parseAddress } from '../net/address.ts';
import { type Cidr, hostCidr } from '../net/cidr.ts';

/*
 * While a gateway has two keys, a peer may come by the interface of either, and its answers must go back by the same one. Nothing
 * announces by which it comes: so the firewall notes who came by an interface to which the peer's route does not lead, the agent reads
 * that every moment, and moves the route.
 */

/** The sets of those who came, one for each family. */
export const ARRIVAL_SETS = ['arrived4', 'arrived6'] as const;

/** A peer that came by an interface to which its route did not lead. */
export interface Arrival {
  readonly address: Cidr;
  readonly device: string;
}

/** Filled by the rules of `arrivalChain` alone; nobody need empty them. */
export function arrivalSets(): readonly NamedSet[] {
  return ARRIVAL_SETS.map((name, index) => ({
    name,
    type: [index === 0 ? 'ipv4_addr' : 'ipv6_addr', 'ifname'],
    interval: false,
    timeout: '5s',
    elements: [],
  }));
}

/** Before anything else happens to a packet, its source is what WireGuard has proven. */
export function arrivalChain(devices: readonly string[]): Chain {
  const note = (device: string) =>
    [4, 6].map((n) => ({
      text: `iifname "${device}" meta nfproto ipv${n} fib saddr oifname != "${device}" update @arrived${n} { ${n === 4 ? 'ip' : 'ip6'} saddr . iifname }`,
    }));
  return {
    name: 'on_prerouting',
    hook: { type: 'filter', hook: 'prerouting', priority: 'mangle' },
    rules: [...devices].sort().flatMap(note),
  };
}

/** What an element of the sets says; undefined for one that says nothing. */
export function arrivalIn(element: string): Arrival | undefined {
  const [text = '', device = ''] = element.split(' . ');
  const address = parseAddress(text);
  return address.ok && device !== '' ? { address: hostCidr(address.value), device } : undefined;
}

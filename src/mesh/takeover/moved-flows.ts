import type { Chain, NamedSet, Rule } from '../../dataplane/nftables/ruleset.ts';
import { tellingChain } from '../../dataplane/nftables/told-packet.ts';

/*
 * A load balancer that takes a device's flow from one node to another tells neither: the device goes on with data by a session of which the
 * node that gets them knows nothing. To conntrack that is a flow that begins, and to WireGuard one that should have begun with a handshake.
 */

/** The chain that tells of flows which have begun without a handshake. */
export const MOVED_FLOWS = 'moved_flow';
const BEGUN = 'begun_with_data';

/** So many packets are told of in a second, whoever sends them: an answer ends what a device causes, and a flood costs no more than this. */
const PER_SECOND = 200;
/** And so many from one address, so that who floods from a few leaves room for others. Behind one address may be an office. */
const PER_ADDRESS = 50;
/** So many addresses are told apart; when others come, the first limit alone holds. */
const ADDRESSES = 4_096;

/** One meter for each address, for each family. */
export function movedFlowSets(): readonly NamedSet[] {
  return ([4, 6] as const).map((n) => ({
    name: `told${n}`,
    type: [n === 4 ? 'ipv4_addr' : 'ipv6_addr'],
    interval: false,
    timeout: '1m',
    size: ADDRESSES,
    elements: [],
  }));
}

/** They stand before the chain that sends packets there. */
export function movedFlowChains(): readonly Chain[] {
  const meters = ([4, 6] as const).map((n) => ({
    text: `update @told${n} { ${n === 4 ? 'ip' : 'ip6'} saddr limit rate over ${PER_ADDRESS}/second burst ${2 * PER_ADDRESS} packets } return`,
  }));
  const told = { text: `limit rate ${PER_SECOND}/second burst ${PER_SECOND} packets goto ${MOVED_FLOWS}` };
  return [
    tellingChain(MOVED_FLOWS, 'told to the agent: data of a session that began on another node'),
    { name: BEGUN, rules: [...meters, told] },
  ];
}

/**
 * Asks it of datagrams that come to these ports, or to any port. Transport data begins with its type, 4, and three zeros (WireGuard's paper,
 * section 5.4.6). What has been answered once is not new any more, so flows that stand pay for one comparison.
 */
export function movedFlow(ports: string | undefined): Rule {
  const datagram = ports === undefined ? 'meta l4proto udp' : `udp dport ${ports}`;
  return { text: `${datagram} ct state new @th,64,32 0x04000000 goto ${BEGUN}` };
}

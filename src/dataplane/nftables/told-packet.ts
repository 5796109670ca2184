import { parseAddress } from '../../net/address.ts';
import { type Endpoint, endpointOf } from '../../net/endpoint.ts';
import type { Chain } from './ruleset.ts';

/*
 * How a rule tells us of a packet while it passes: `nft monitor`, which runs anyway, prints what is traced (net/netfilter/nf_tables_trace.c).
 * A log group would need a program that reads it, and a set that is filled would have to be looked at again and again.
 */

/** A packet that a rule has told of. */
export interface ToldPacket {
  readonly table: string;
  readonly chain: string;
  /** The source of a UDP datagram. */
  readonly from: Endpoint;
}

/** Tells of each packet that is sent through it. The trace ends here: no other rule of the node is told of, and no other table sees it. */
export function tellingChain(name: string, comment: string): Chain {
  return { name, rules: [{ text: 'meta nftrace set 1', comment }, { text: 'meta nftrace set 0' }] };
}

const TRACE = /^trace id [0-9a-f]+ /;
const PACKET = /^trace id [0-9a-f]+ inet (\S+) (\S+) packet: .*?\bip6? saddr (\S+) .*?\budp sport (\d+) /;

/** Whether a line of `nft monitor` tells of a packet, and of no change. */
export function isTrace(line: string): boolean {
  return TRACE.test(line);
}

/** What such a line says of a UDP datagram in a table of family inet; undefined for any other line. */
export function toldPacket(line: string): ToldPacket | undefined {
  const [, table, chain, source = '', port] = PACKET.exec(line) ?? [];
  const [address, from] = [parseAddress(source), Number(port)];
  if (table === undefined || chain === undefined || !address.ok || from < 1 || from > 65_535) return undefined;
  return { table, chain, from: endpointOf(address.value, from) };
}

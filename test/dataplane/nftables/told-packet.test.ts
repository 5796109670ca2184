import { expect, test } from 'vitest';
import { isTrace, toldPacket } from '../../../src/dataplane/nftables/told-packet.ts';

const V4 =
  'trace id 2eed3fbb inet sallyport_default moved_flow packet: iif "eth0" ether saddr 8a:74:28:8d:79:c4 ether daddr c6:01:be:db:c2:5c ip saddr 203.0.113.2 ip daddr 172.31.0.10 ip dscp cs0 ip ecn not-ect ip ttl 63 ip id 52803 ip protocol udp ip length 124 udp sport 37578 udp dport 51840 udp length 104 @th,64,96 0x40000006162636465666768 ';
/** As nft 1.1.3 prints it; the others are of 1.0.6. */
const LATER =
  'trace id 4b6b758a inet sallyport_default moved_flow packet: iif "lo" ip saddr 127.0.0.1 ip daddr 127.0.0.1 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 56270 ip protocol udp ip length 73 udp sport 35424 udp dport 51840 udp length 53 udp checksum 65096 ';
const V6 =
  'trace id 00fc inet sallyport_default moved_flow packet: iif "eth0" ip6 saddr 2001:db8::2 ip6 daddr 2001:db8:1::10 ip6 dscp cs0 ip6 ecn not-ect ip6 hoplimit 63 ip6 flowlabel 0 ip6 nexthdr udp ip6 length 104 udp sport 40000 udp dport 51840 udp length 104 @th,64,96 0x40000006162636465666768 ';
const RULE = 'trace id 2eed3fbb inet sallyport_default moved_flow rule meta nftrace set 1 (verdict continue)';
const told = { table: 'sallyport_default', chain: 'moved_flow' };

test.each([
  ['a datagram', V4, { ...told, from: '203.0.113.2:37578' }],
  ['a datagram, by a later nft', LATER, { ...told, from: '127.0.0.1:35424' }],
  ['a datagram of IPv6', V6, { ...told, from: '[2001:db8::2]:40000' }],
  ['what became of it', RULE, undefined],
  ['a datagram in a table of another family', V4.replace(' inet ', ' ip '), undefined],
  ['a segment of TCP', V4.replace(/udp /g, 'tcp '), undefined],
  ['a datagram from port 0', V4.replace('sport 37578', 'sport 0'), undefined],
  ['a datagram from a port that there is not', V4.replace('sport 37578', 'sport 65536'), undefined],
  ['a change', 'add rule inet sallyport_default moved_flow meta nftrace set 1', undefined],
  ['nothing', '', undefined],
])('a line about %s', (_, line, packet) => {
  expect(toldPacket(line)).toEqual(packet);
  expect(isTrace(line)).toBe(line.startsWith('trace'));
});

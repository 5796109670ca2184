import { parseAddress } from '../../net/address.ts';
import { type Cidr, compareCidrs, hostCidr, parseCidr } from '../../net/cidr.ts';
import { type Endpoint, endpointOf, parseEndpoint } from '../../net/endpoint.ts';
import { PUBLIC_KEY_PATTERN, type PublicKey } from '../../net/key.ts';
import { type Parsed, parsed } from '../../net/parsed.ts';
import { UnreadableOutput } from '../unreadable.ts';
import type { ObservedDevice, ObservedPeer } from './device.ts';

const TOOL = 'wg show dump';
const NONE = '(none)';
const KEY = new RegExp(PUBLIC_KEY_PATTERN);

/** Makes of a preshared key what may be kept of it. */
export type Fingerprint = (presharedKey: string) => string;

/**
 * What `wg show DEVICE dump` tells of a device (wg(8)). The first field is the private key: it is dropped here and stands
 * in no error, nor do preshared keys, of which only the fingerprint is kept. @throws {UnreadableOutput} when the text is not that command's output.
 */
export function parseDump(
  text: string,
  fingerprint: Fingerprint,
): Pick<ObservedDevice, 'publicKey' | 'listenPort' | 'peers'> {
  const [deviceLine = '', ...peerLines] = text.split('\n');
  const [, publicKey, listenPort, ...rest] = deviceLine.split('\t');
  if (publicKey === undefined || listenPort === undefined || rest.length !== 1)
    throw new UnreadableOutput(TOOL, 'the line of the device has not four fields');
  const peers = new Map<PublicKey, ObservedPeer>();
  for (const line of peerLines) {
    if (line === '') continue;
    const peer = parsePeer(line, fingerprint);
    peers.set(peer.publicKey, peer);
  }
  return {
    ...(publicKey === NONE ? {} : { publicKey: parseKey(publicKey) }),
    listenPort: parseCount(listenPort),
    peers,
  };
}

function parsePeer(line: string, fingerprint: Fingerprint): ObservedPeer {
  const fields = line.split('\t');
  if (fields.length !== 8) throw new UnreadableOutput(TOOL, 'the line of a peer has not eight fields');
  const [key = '', psk = '', from = '', ips = '', handshake = '', received = '', sent = ''] = fields;
  const endpoint = from === NONE ? undefined : parseWgEndpoint(from);
  return {
    publicKey: parseKey(key),
    allowedIPs: parseAllowedIPs(ips),
    ...(endpoint?.ok === true ? { endpoint: endpoint.value } : {}),
    latestHandshake: parseCount(handshake),
    receivedBytes: parseCount(received),
    sentBytes: parseCount(sent),
    ...(psk === NONE ? {} : { presharedKey: fingerprint(psk) }),
  };
}

/** Any key the device holds, even one that our own parser refuses to people: what is there must be removable. */
function parseKey(text: string): PublicKey {
  if (!KEY.test(text)) throw new UnreadableOutput(TOOL, 'a field that should be a public key is none');
  return text as PublicKey;
}

/** Most peers have an IPv4 endpoint; of ten thousand peers, the general parser would take most of the time. */
function parseWgEndpoint(text: string): Parsed<Endpoint> {
  const colon = text.lastIndexOf(':');
  const host = parseAddress(text.slice(0, colon));
  const port = Number(text.slice(colon + 1));
  if (text.startsWith('[') || !host.ok || !(port > 0 && port < 65536)) return parseEndpoint(text);
  return parsed(endpointOf(host.value, port));
}

/** Likewise, most AllowedIPs are one IPv4 address, and wg prints no host bits. */
function parseWgCidr(text: string): Parsed<Cidr> {
  const address = text.endsWith('/32') ? parseAddress(text.slice(0, -3)) : undefined;
  return address?.ok === true && !text.includes(':') ? parsed(hostCidr(address.value)) : parseCidr(text);
}

function parseAllowedIPs(text: string): readonly Cidr[] {
  if (text === NONE || text === '') return [];
  const cidrs = text.split(',').map((entry) => {
    const cidr = parseWgCidr(entry);
    if (!cidr.ok) throw new UnreadableOutput(TOOL, cidr.problem);
    return cidr.value;
  });
  return cidrs.length === 1 ? cidrs : cidrs.sort(compareCidrs);
}

function parseCount(text: string): number {
  if (!/^\d+$/.test(text)) throw new UnreadableOutput(TOOL, 'a field that should be a number is none');
  return Number(text);
}

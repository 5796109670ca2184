import { type Cidr, compareCidrs, parseCidr } from '../../net/cidr.ts';
import { parseEndpoint } from '../../net/endpoint.ts';
import { PUBLIC_KEY_PATTERN, type PublicKey } from '../../net/key.ts';
import { UnreadableOutput } from '../unreadable.ts';
import type { ObservedDevice, ObservedPeer } from './device.ts';

const TOOL = 'wg show dump';
const NONE = '(none)';
const KEY = new RegExp(PUBLIC_KEY_PATTERN);

/**
 * What `wg show DEVICE dump` tells of a device (wg(8)). The first field is the private key: it is dropped here and stands
 * in no error. @throws {UnreadableOutput} when the text is not that command's output.
 */
export function parseDump(text: string): Pick<ObservedDevice, 'publicKey' | 'listenPort' | 'peers'> {
  const [deviceLine = '', ...peerLines] = text.split('\n');
  const [, publicKey, listenPort, ...rest] = deviceLine.split('\t');
  if (publicKey === undefined || listenPort === undefined || rest.length !== 1)
    throw new UnreadableOutput(TOOL, 'the line of the device has not four fields');
  const peers = new Map<PublicKey, ObservedPeer>();
  for (const line of peerLines) {
    if (line === '') continue;
    const peer = parsePeer(line);
    peers.set(peer.publicKey, peer);
  }
  return {
    ...(publicKey === NONE ? {} : { publicKey: parseKey(publicKey) }),
    listenPort: parseCount(listenPort),
    peers,
  };
}

function parsePeer(line: string): ObservedPeer {
  const fields = line.split('\t');
  if (fields.length !== 8) throw new UnreadableOutput(TOOL, 'the line of a peer has not eight fields');
  const [key = '', psk = '', from = '', ips = '', handshake = '', received = '', sent = ''] = fields;
  const endpoint = from === NONE ? undefined : parseEndpoint(from);
  return {
    publicKey: parseKey(key),
    allowedIPs: parseAllowedIPs(ips),
    ...(endpoint?.ok === true ? { endpoint: endpoint.value } : {}),
    latestHandshake: parseCount(handshake),
    receivedBytes: parseCount(received),
    sentBytes: parseCount(sent),
    hasPresharedKey: psk !== NONE,
  };
}

/** Any key the device holds, even one that our own parser refuses to people: what is there must be removable. */
function parseKey(text: string): PublicKey {
  if (!KEY.test(text)) throw new UnreadableOutput(TOOL, 'a field that should be a public key is none');
  return text as PublicKey;
}

function parseAllowedIPs(text: string): readonly Cidr[] {
  if (text === NONE || text === '') return [];
  const cidrs = text.split(',').map((entry) => {
    const cidr = parseCidr(entry);
    if (!cidr.ok) throw new UnreadableOutput(TOOL, cidr.problem);
    return cidr.value;
  });
  return cidrs.length === 1 ? cidrs : cidrs.sort(compareCidrs);
}

function parseCount(text: string): number {
  if (!/^\d+$/.test(text)) throw new UnreadableOutput(TOOL, 'a field that should be a number is none');
  return Number(text);
}

import { isObject, type JsonObject } from '../json.ts';

/** What is known of a packet that is sent through foreign rules in thought; what is undefined may be anything. */
export interface ImaginedPacket {
  /** An interface's name, or `other`: any but the gateway's and loopback. */
  readonly iif?: string | undefined;
  readonly oif?: string | undefined;
  /** The gateway's interface, which `other` is not. */
  readonly device: string;
  readonly protocol?: 'udp' | 'tcp' | undefined;
  readonly sport?: number | undefined;
  readonly dport?: number | undefined;
  readonly ctState?: 'new' | 'established' | undefined;
}

/** Undefined: it depends on what is not known. */
export type Maybe = boolean | undefined;

export const OTHER = 'other';

/** Whether a packet matches a `match` statement of nft's JSON. */
export function matches(packet: ImaginedPacket, match: JsonObject): Maybe {
  const { op, left, right } = match;
  const equal = equals(packet, left, right);
  if (op === '==' || op === 'in') return equal;
  return op === '!=' && equal !== undefined ? !equal : undefined;
}

/** Whether what `left` takes from the packet is `right`, or among it. */
function equals(packet: ImaginedPacket, left: unknown, right: unknown): Maybe {
  if (!isObject(left)) return undefined;
  const choice = isObject(right) && Array.isArray(right.set) ? right.set : right;
  return Array.isArray(choice)
    ? anyOf(choice.map((one) => equalsOne(packet, left, one)))
    : equalsOne(packet, left, choice);
}

function equalsOne(packet: ImaginedPacket, left: JsonObject, right: unknown): Maybe {
  const { meta, ct, payload } = left;
  if (isObject(meta)) return metaEquals(packet, meta.key, right);
  if (isObject(ct) && ct.key === 'state') return packet.ctState === undefined ? undefined : packet.ctState === right;
  return isObject(payload) ? payloadEquals(packet, payload, right) : undefined;
}

function metaEquals(packet: ImaginedPacket, key: unknown, right: unknown): Maybe {
  if (key === 'iifname' || key === 'iif') return interfaceEquals(packet.iif, right, packet.device);
  if (key === 'oifname' || key === 'oif') return interfaceEquals(packet.oif, right, packet.device);
  return key === 'l4proto' ? protocolEquals(packet, right) : undefined;
}

function interfaceEquals(name: string | undefined, right: unknown, device: string): Maybe {
  if (name === undefined || typeof right !== 'string') return undefined;
  const prefix = right.endsWith('*') ? right.slice(0, -1) : undefined;
  if (name !== OTHER) return prefix === undefined ? name === right : name.startsWith(prefix);
  return right === device || right === 'lo' ? false : undefined;
}

function payloadEquals(packet: ImaginedPacket, { protocol, field }: JsonObject, right: unknown): Maybe {
  if (field === 'protocol' || field === 'nexthdr') return protocolEquals(packet, right);
  if (packet.protocol === undefined) return undefined;
  if (protocol !== 'th' && protocol !== packet.protocol)
    return protocol === 'tcp' || protocol === 'udp' ? false : undefined;
  if (field === 'dport') return portEquals(packet.dport, right);
  return field === 'sport' ? portEquals(packet.sport, right) : undefined;
}

function protocolEquals({ protocol }: ImaginedPacket, right: unknown): Maybe {
  return protocol === undefined || typeof right !== 'string' ? undefined : protocol === right;
}

function portEquals(port: number | undefined, right: unknown): Maybe {
  if (port === undefined) return undefined;
  if (typeof right === 'number') return port === right;
  if (!isObject(right) || !Array.isArray(right.range)) return undefined;
  const [first, last] = right.range;
  return typeof first === 'number' && typeof last === 'number' ? first <= port && port <= last : undefined;
}

function anyOf(answers: readonly Maybe[]): Maybe {
  if (answers.includes(true)) return true;
  return answers.includes(undefined) ? undefined : false;
}

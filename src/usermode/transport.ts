import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { open, seal } from './aead.ts';
import { viewOf } from './bytes.ts';
import type { SessionKeys } from './handshake.ts';
import { encodeMessage, type Transport } from './messages.ts';
import { accept, EMPTY_WINDOW, type ReplayWindow } from './replay.ts';

/** The protocol's limits (WireGuard paper, section 6.1), in milliseconds and messages. */
export const REKEY_AFTER_MS = 120_000;
export const REJECT_AFTER_MS = 180_000;
/**
 * The paper says 2^60 and 2^64 - 2^13 - 1. Ours are what a JavaScript number counts exactly; no session can reach
 * either, because it ends after three minutes.
 */
export const REKEY_AFTER_MESSAGES = 2 ** 52;
export const REJECT_AFTER_MESSAGES = 2 ** 53 - 2 ** 13 - 1;

const PADDING = 16;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;

/** One session's keys with how far it has come in both directions. `establishedAt` is monotonic time in milliseconds. */
export interface Keypair extends SessionKeys {
  readonly establishedAt: number;
  readonly sent: number;
  readonly window: ReplayWindow;
}

/** A session that has carried nothing yet. */
export function newKeypair(keys: SessionKeys, establishedAt: number): Keypair {
  return { ...keys, establishedAt, sent: 0, window: EMPTY_WINDOW };
}

/** True while the protocol lets the session carry packets. */
export function isUsable(keypair: Keypair, now: number): boolean {
  return now - keypair.establishedAt < REJECT_AFTER_MS && keypair.sent < REJECT_AFTER_MESSAGES;
}

/**
 * The datagram of an IP packet (empty: a keepalive), padded with zeros to a multiple of 16 bytes but never
 * beyond the tunnel's MTU. The caller has asked isUsable.
 */
export function sealPacket(
  keypair: Keypair,
  packet: Uint8Array,
  mtu: number,
): { readonly keypair: Keypair; readonly datagram: Uint8Array } {
  const padded = new Uint8Array(paddedLength(packet.length, mtu));
  padded.set(packet);
  const datagram = encodeMessage({
    kind: 'transport',
    receiver: keypair.remoteIndex,
    counter: keypair.sent,
    sealed: seal(keypair.sendKey, keypair.sent, padded),
  });
  return { keypair: { ...keypair, sent: keypair.sent + 1 }, datagram };
}

/** The IP packet of a transport message without its padding (empty: a keepalive), once only and in any order within the window. */
export function openPacket(
  keypair: Keypair,
  message: Transport,
): Parsed<{ readonly keypair: Keypair; readonly packet: Uint8Array }> {
  if (message.counter >= REJECT_AFTER_MESSAGES) return refused('the packet has a counter past the limit');
  const padded = open(keypair.receiveKey, message.counter, message.sealed);
  if (padded === undefined) return refused('the packet is not authentic');
  const window = accept(keypair.window, message.counter);
  if (window === undefined) return refused(`packet ${message.counter} was seen before or is too old`);
  const packet = withoutPadding(padded);
  if (packet === undefined) return refused('the packet holds no whole IP packet');
  return parsed({ keypair: { ...keypair, window }, packet });
}

function paddedLength(length: number, mtu: number): number {
  const multiple = Math.ceil(length / PADDING) * PADDING;
  return Math.max(length, Math.min(multiple, mtu));
}

/** The packet's own header says where it ends. */
function withoutPadding(padded: Uint8Array): Uint8Array | undefined {
  if (padded.length === 0) return padded;
  const length = ipLength(padded);
  return length === undefined || length > padded.length ? undefined : padded.subarray(0, length);
}

function ipLength(packet: Uint8Array): number | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= IPV4_HEADER) {
    const length = viewOf(packet).getUint16(2);
    return length < IPV4_HEADER ? undefined : length;
  }
  if (version === 6 && packet.length >= IPV6_HEADER) return viewOf(packet).getUint16(4) + IPV6_HEADER;
  return undefined;
}

import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { concat, viewOf } from './bytes.ts';

/** First message of a handshake. The MACs stand last, so that they can cover everything before them. */
export interface Initiation {
  readonly kind: 'initiation';
  readonly sender: number;
  readonly ephemeral: Uint8Array;
  readonly sealedStatic: Uint8Array;
  readonly sealedTimestamp: Uint8Array;
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

/** Second and last message of a handshake. */
export interface Response {
  readonly kind: 'response';
  readonly sender: number;
  readonly receiver: number;
  readonly ephemeral: Uint8Array;
  readonly sealedNothing: Uint8Array;
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

/** What a responder under load sends instead of an answer: a cookie that proves our address when we try again. */
export interface CookieReply {
  readonly kind: 'cookie';
  readonly receiver: number;
  readonly nonce: Uint8Array;
  readonly sealedCookie: Uint8Array;
}

/** A sealed IP packet, or sealed nothing (a keepalive). */
export interface Transport {
  readonly kind: 'transport';
  readonly receiver: number;
  readonly counter: number;
  readonly sealed: Uint8Array;
}

export type Message = Initiation | Response | CookieReply | Transport;

export const MAC_LENGTH = 16;
/** Length of mac1 and mac2 together, the tail of both handshake messages. */
export const MACS_LENGTH = 2 * MAC_LENGTH;

const INITIATION = { type: 1, length: 148 };
const RESPONSE = { type: 2, length: 92 };
const COOKIE = { type: 3, length: 64 };
const TRANSPORT = { type: 4, minimum: 32, header: 16 };

/** The datagram of a message, as the WireGuard paper lays it out (section 5.4). */
export function encodeMessage(message: Message): Uint8Array {
  switch (message.kind) {
    case 'initiation':
      return concat(
        words(INITIATION.type, message.sender),
        message.ephemeral,
        message.sealedStatic,
        message.sealedTimestamp,
        message.mac1,
        message.mac2,
      );
    case 'response':
      return concat(
        words(RESPONSE.type, message.sender, message.receiver),
        message.ephemeral,
        message.sealedNothing,
        message.mac1,
        message.mac2,
      );
    case 'cookie':
      return concat(words(COOKIE.type, message.receiver), message.nonce, message.sealedCookie);
    case 'transport':
      return concat(
        words(TRANSPORT.type, message.receiver, message.counter >>> 0, Math.floor(message.counter / 2 ** 32)),
        message.sealed,
      );
  }
}

/**
 * The message in a datagram, by strict length and type; nothing in it is authentic yet. A counter that a
 * JavaScript number cannot hold exactly is refused: no session lives for 2^53 packets.
 */
export function parseMessage(datagram: Uint8Array): Parsed<Message> {
  if (datagram.length < 4) return refused(`a datagram of ${datagram.length} bytes is no WireGuard message`);
  const type = viewOf(datagram).getUint32(0, true);
  if (type === INITIATION.type) return exactly(datagram, INITIATION.length, parseInitiation);
  if (type === RESPONSE.type) return exactly(datagram, RESPONSE.length, parseResponse);
  if (type === COOKIE.type) return exactly(datagram, COOKIE.length, parseCookieReply);
  if (type === TRANSPORT.type) return parseTransport(datagram);
  return refused(`${type} is no WireGuard message type`);
}

function exactly(datagram: Uint8Array, length: number, parse: (datagram: Uint8Array) => Message): Parsed<Message> {
  if (datagram.length === length) return parsed(parse(datagram));
  return refused(`a WireGuard message of type ${datagram[0]} has ${length} bytes, not ${datagram.length}`);
}

function parseInitiation(datagram: Uint8Array): Initiation {
  return {
    kind: 'initiation',
    sender: viewOf(datagram).getUint32(4, true),
    ephemeral: datagram.slice(8, 40),
    sealedStatic: datagram.slice(40, 88),
    sealedTimestamp: datagram.slice(88, 116),
    mac1: datagram.slice(116, 132),
    mac2: datagram.slice(132, 148),
  };
}

function parseResponse(datagram: Uint8Array): Response {
  const view = viewOf(datagram);
  return {
    kind: 'response',
    sender: view.getUint32(4, true),
    receiver: view.getUint32(8, true),
    ephemeral: datagram.slice(12, 44),
    sealedNothing: datagram.slice(44, 60),
    mac1: datagram.slice(60, 76),
    mac2: datagram.slice(76, 92),
  };
}

function parseCookieReply(datagram: Uint8Array): CookieReply {
  return {
    kind: 'cookie',
    receiver: viewOf(datagram).getUint32(4, true),
    nonce: datagram.slice(8, 32),
    sealedCookie: datagram.slice(32, 64),
  };
}

function parseTransport(datagram: Uint8Array): Parsed<Transport> {
  if (datagram.length < TRANSPORT.minimum)
    return refused(`a WireGuard transport message has at least 32 bytes, not ${datagram.length}`);
  const view = viewOf(datagram);
  const counter = view.getUint32(12, true) * 2 ** 32 + view.getUint32(8, true);
  if (!Number.isSafeInteger(counter)) return refused('a WireGuard transport message has a counter past 2^53');
  return parsed({
    kind: 'transport',
    receiver: view.getUint32(4, true),
    counter,
    sealed: datagram.subarray(TRANSPORT.header),
  });
}

/** 32-bit little-endian words; the first is the type with its three reserved zero bytes. */
function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = viewOf(bytes);
  values.forEach((value, index) => {
    view.setUint32(4 * index, value, true);
  });
  return bytes;
}

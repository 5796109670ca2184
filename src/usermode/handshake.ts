import type { CurveKeys } from '../net/curve-keys.ts';
import { type Parsed, parsed, refused } from '../net/parsed.ts';
import type { AeadKey } from './aead.ts';
import { sharedSecret } from './curve.ts';
import { type Initiation, MAC_LENGTH, type Response } from './messages.ts';
import {
  firstTranscript,
  mixChain,
  mixHash,
  mixKey,
  mixPresharedKey,
  openField,
  sealField,
  type Transcript,
  transportKeys,
} from './noise.ts';

/** Who we are, whom we talk to, and the secret that both got by another way (32 zero bytes when none). */
export interface Identity {
  readonly local: CurveKeys;
  readonly peerPublicKey: Uint8Array;
  readonly presharedKey: Uint8Array;
}

/** What must be fresh in each message: a key pair used once, and the index under which we want the answer. */
export interface Freshness {
  readonly ephemeral: CurveKeys;
  readonly index: number;
}

/** An initiator between its message and the answer. */
export interface SentInitiation extends Freshness {
  readonly transcript: Transcript;
}

/** A responder between the initiator's message and its own. */
export interface ReceivedInitiation {
  readonly peerPublicKey: Uint8Array;
  readonly timestamp: Uint8Array;
  readonly ephemeral: Uint8Array;
  readonly remoteIndex: number;
  readonly transcript: Transcript;
}

/** The outcome of a handshake, the same on both sides with the directions swapped. */
export interface SessionKeys {
  readonly initiator: boolean;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly sendKey: AeadKey;
  readonly receiveKey: AeadKey;
}

const NOTHING = new Uint8Array();
const NO_MAC = new Uint8Array(MAC_LENGTH);
const LOW_ORDER = 'is a low-order point, with which no handshake is secret';

/** The first message (WireGuard paper, section 5.4.2) without its MACs, and what is needed to understand the answer. */
export function createInitiation(
  identity: Identity,
  fresh: Freshness & { readonly timestamp: Uint8Array },
): Parsed<{ readonly message: Initiation; readonly sent: SentInitiation }> {
  const { local, peerPublicKey } = identity;
  const { ephemeral, index } = fresh;
  const ephemeralSecret = sharedSecret(ephemeral, peerPublicKey);
  const staticSecret = sharedSecret(local, peerPublicKey);
  if (ephemeralSecret === undefined || staticSecret === undefined) return refused(`the peer's public key ${LOW_ORDER}`);

  const begun = mixHash(mixChain(firstTranscript(peerPublicKey), ephemeral.publicKey), ephemeral.publicKey);
  const first = mixKey(begun, ephemeralSecret);
  const identified = sealField(first.transcript, first.key, local.publicKey);
  const second = mixKey(identified.transcript, staticSecret);
  const stamped = sealField(second.transcript, second.key, fresh.timestamp);
  const message: Initiation = {
    kind: 'initiation',
    sender: index,
    ephemeral: ephemeral.publicKey,
    sealedStatic: identified.sealed,
    sealedTimestamp: stamped.sealed,
    mac1: NO_MAC,
    mac2: NO_MAC,
  };
  return parsed({ message, sent: { ephemeral, index, transcript: stamped.transcript } });
}

/**
 * Who sent a first message, proven by its static key. Whether that key is a known peer, and the timestamp
 * later than its last one, is for the caller to decide; MACs are checked before.
 */
export function consumeInitiation(local: CurveKeys, message: Initiation): Parsed<ReceivedInitiation> {
  const begun = mixHash(mixChain(firstTranscript(local.publicKey), message.ephemeral), message.ephemeral);
  const ephemeralSecret = sharedSecret(local, message.ephemeral);
  if (ephemeralSecret === undefined) return refused(`the initiation's ephemeral key ${LOW_ORDER}`);
  const first = mixKey(begun, ephemeralSecret);
  const identified = openField(first.transcript, first.key, message.sealedStatic);
  if (identified === undefined) return refused('the initiation is not sealed for our public key');

  const staticSecret = sharedSecret(local, identified.field);
  if (staticSecret === undefined) return refused(`the initiation's static key ${LOW_ORDER}`);
  const second = mixKey(identified.transcript, staticSecret);
  const stamped = openField(second.transcript, second.key, message.sealedTimestamp);
  if (stamped === undefined) return refused('the initiation was not made by the owner of its static key');
  return parsed({
    peerPublicKey: identified.field,
    timestamp: stamped.field,
    ephemeral: message.ephemeral,
    remoteIndex: message.sender,
    transcript: stamped.transcript,
  });
}

/** The second message (section 5.4.3) without its MACs, and the session it opens once the initiator uses it. */
export function createResponse(
  received: ReceivedInitiation,
  presharedKey: Uint8Array,
  fresh: Freshness,
): Parsed<{ readonly message: Response; readonly keys: SessionKeys }> {
  const { ephemeral, index } = fresh;
  const ephemeralSecret = sharedSecret(ephemeral, received.ephemeral);
  const staticSecret = sharedSecret(ephemeral, received.peerPublicKey);
  if (ephemeralSecret === undefined || staticSecret === undefined) return refused(`the initiator's key ${LOW_ORDER}`);

  const begun = mixHash(mixChain(received.transcript, ephemeral.publicKey), ephemeral.publicKey);
  const shared = mixPresharedKey(mixChain(mixChain(begun, ephemeralSecret), staticSecret), presharedKey);
  const proven = sealField(shared.transcript, shared.key, NOTHING);
  const message: Response = {
    kind: 'response',
    sender: index,
    receiver: received.remoteIndex,
    ephemeral: ephemeral.publicKey,
    sealedNothing: proven.sealed,
    mac1: NO_MAC,
    mac2: NO_MAC,
  };
  const keys = transportKeys(proven.transcript);
  return parsed({
    message,
    keys: {
      initiator: false,
      localIndex: index,
      remoteIndex: received.remoteIndex,
      sendKey: keys.responder,
      receiveKey: keys.initiator,
    },
  });
}

/** The session that an authentic answer to our initiation opens. */
export function consumeResponse(sent: SentInitiation, identity: Identity, message: Response): Parsed<SessionKeys> {
  if (message.receiver !== sent.index) return refused('the response is for another handshake');
  const ephemeralSecret = sharedSecret(sent.ephemeral, message.ephemeral);
  const staticSecret = sharedSecret(identity.local, message.ephemeral);
  if (ephemeralSecret === undefined || staticSecret === undefined)
    return refused(`the response's ephemeral key ${LOW_ORDER}`);

  const begun = mixHash(mixChain(sent.transcript, message.ephemeral), message.ephemeral);
  const shared = mixPresharedKey(mixChain(mixChain(begun, ephemeralSecret), staticSecret), identity.presharedKey);
  const proven = openField(shared.transcript, shared.key, message.sealedNothing);
  if (proven === undefined)
    return refused("the response is not authentic: another peer's, or the preshared keys differ");
  const keys = transportKeys(proven.transcript);
  return parsed({
    initiator: true,
    localIndex: sent.index,
    remoteIndex: message.sender,
    sendKey: keys.initiator,
    receiveKey: keys.responder,
  });
}

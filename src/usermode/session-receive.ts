import { sameBytes } from './bytes.ts';
import { consumeCookieReply, mac1IsValid, withMacs } from './cookie.ts';
import { consumeInitiation, consumeResponse, createResponse, type SessionKeys } from './handshake.ts';
import {
  type CookieReply,
  encodeMessage,
  type Initiation,
  parseMessage,
  type Response,
  type Transport,
} from './messages.ts';
import { freshness, initiate, usableCookie } from './session-initiate.ts';
import { KEEPALIVE_TIMEOUT_MS, persistentAt, sendWaiting } from './session-send.ts';
import { andThen, type Moment, quiet, refusal, type Session, type Step, withTimers } from './session-state.ts';
import { isLater } from './timestamp.ts';
import { isUsable, type Keypair, newKeypair, openPacket, REJECT_AFTER_MS } from './transport.ts';

/** A peer may start at most fifty handshakes a second. */
const INITIATION_INTERVAL_MS = 20;

/** Acts on a datagram from the network. One that is not authentic changes nothing. */
export function receiveDatagram(session: Session, datagram: Uint8Array, at: Moment): Step {
  const message = parseMessage(datagram);
  if (!message.ok) return refusal(session, message.problem);
  switch (message.value.kind) {
    case 'initiation':
    case 'response': {
      const known = mac1IsValid(datagram, session.config.local.publicKey);
      if (!known) return refusal(session, 'a handshake message for another public key', session.pending !== undefined);
      return message.value.kind === 'initiation'
        ? answer(session, message.value, at)
        : complete(session, message.value, at);
    }
    case 'cookie':
      return keepCookie(session, message.value, at);
    case 'transport':
      return receiveTransport(session, message.value, at);
  }
}

function answer(session: Session, message: Initiation, at: Moment): Step {
  const { config, peerInitiation } = session;
  const received = consumeInitiation(config.local, message);
  if (!received.ok) return refusal(session, received.problem);
  const { peerPublicKey, timestamp } = received.value;
  if (!sameBytes(peerPublicKey, config.peerPublicKey)) return refusal(session, 'an initiation from an unknown peer');
  if (peerInitiation !== undefined) {
    if (!isLater(timestamp, peerInitiation.timestamp)) return refusal(session, 'an initiation that is not new');
    if (at.now - peerInitiation.at < INITIATION_INTERVAL_MS) return refusal(session, 'initiations come too fast');
  }
  const created = createResponse(received.value, config.presharedKey, freshness(session, at));
  if (!created.ok) return refusal(session, created.problem);
  const datagram = withMacs(encodeMessage(created.value.message), config.peerPublicKey, usableCookie(session, at.now));
  const answered: Session = {
    ...session,
    peerInitiation: { timestamp, at: at.now },
    next: newKeypair(created.value.keys, at.now),
    previous: undefined,
  };
  return { session: heard(answered, at, true), effects: [{ kind: 'send', datagram }] };
}

function complete(session: Session, message: Response, at: Moment): Step {
  const { pending } = session;
  if (message.receiver !== pending?.sent.index) return refusal(session, 'a response to no initiation of ours');
  const keys = consumeResponse(pending.sent, session.config, message);
  if (!keys.ok) return refusal(session, keys.problem, true);
  const opened: Step = {
    session: heard(withSession(session, keys.value, at.now), at, true),
    effects: [{ kind: 'established', initiator: true }],
  };
  return andThen(opened, (next) => sendWaiting(next, at, true));
}

/** The answered initiation's session becomes the one we send with; an unconfirmed one of the peer's still opens packets. */
function withSession(session: Session, keys: SessionKeys, now: number): Session {
  return withTimers(
    {
      ...session,
      pending: undefined,
      previous: session.next ?? session.current,
      current: newKeypair(keys, now),
      next: undefined,
      renewedLate: false,
    },
    { retry: undefined },
  );
}

function keepCookie(session: Session, reply: CookieReply, at: Moment): Step {
  const { pending, config } = session;
  if (pending === undefined || reply.receiver !== pending.sent.index)
    return refusal(session, 'a cookie for no initiation');
  const value = consumeCookieReply(reply, config.peerPublicKey, pending.mac1);
  if (value === undefined) return refusal(session, 'a cookie that is not authentic');
  return quiet({ ...session, cookie: { value, receivedAt: at.now } });
}

function receiveTransport(session: Session, message: Transport, at: Moment): Step {
  const slot = (['current', 'previous', 'next'] as const).find(
    (name) => session[name]?.localIndex === message.receiver,
  );
  const keypair = slot === undefined ? undefined : session[slot];
  if (slot === undefined || keypair === undefined) return refusal(session, 'a packet of no session');
  if (!isUsable(keypair, at.now)) return refusal(session, 'a packet of a session that has ended');
  const opened = openPacket(keypair, message);
  if (!opened.ok) return refusal(session, opened.problem);
  const advanced = { ...session, [slot]: opened.value.keypair };
  const confirmed = slot === 'next' ? confirm(advanced, at) : quiet(advanced);
  const delivered = andThen(confirmed, (next) => deliver(next, opened.value.packet, at));
  return andThen(delivered, (next) => renewedBeforeEnd(next, opened.value.keypair, at));
}

/** The initiator has used the session that we answered, so it has it, and we may send with it. */
function confirm(session: Session, at: Moment): Step {
  const promoted = withTimers(
    { ...session, previous: session.current, current: session.next, next: undefined, pending: undefined },
    { retry: undefined },
  );
  const established: Step = { session: promoted, effects: [{ kind: 'established', initiator: false }] };
  return andThen(established, (next) => sendWaiting(next, at, false));
}

function deliver(session: Session, packet: Uint8Array, at: Moment): Step {
  const awake = heard(session, at, false);
  if (packet.length === 0) return quiet(awake);
  const keepalive = awake.timers.keepalive ?? at.now + KEEPALIVE_TIMEOUT_MS;
  return { session: withTimers(awake, { keepalive }), effects: [{ kind: 'receive', packet }] };
}

/** The initiator renews a session that it only receives on while there is still time for it. */
function renewedBeforeEnd(session: Session, keypair: Keypair, at: Moment): Step {
  const late = REJECT_AFTER_MS - KEEPALIVE_TIMEOUT_MS - session.config.retryMs;
  const isDue = keypair.initiator && keypair === session.current && at.now - keypair.establishedAt >= late;
  return isDue && !session.renewedLate ? initiate({ ...session, renewedLate: true }, at) : quiet(session);
}

/** Something authentic came: the peer lives. New keys also put off the time when all are forgotten. */
function heard(session: Session, at: Moment, newKeys: boolean): Session {
  const timers = { silence: undefined, persistent: persistentAt(session, at.now) };
  return withTimers(session, newKeys ? { ...timers, forget: at.now + 3 * REJECT_AFTER_MS } : timers);
}

import { curveKeys, KEY_LENGTH } from '../net/curve-keys.ts';
import { viewOf } from './bytes.ts';
import { COOKIE_LIFETIME_MS, withMacs } from './cookie.ts';
import { createInitiation, type Freshness } from './handshake.ts';
import { encodeMessage, MAC_LENGTH, MACS_LENGTH } from './messages.ts';
import { type Moment, quiet, refusal, type Session, type Step, withTimers } from './session-state.ts';
import { timestampAt } from './timestamp.ts';

/** Of the retry time, up to this part is added at random, so that two sides that start together do not stay together. */
const JITTER_PART = 1 / 15;

/** Sends an initiation; when one was sent less than the retry time ago, it waits for that time to end. */
export function initiate(session: Session, at: Moment): Step {
  const { config, lastInitiationAt } = session;
  if (lastInitiationAt !== undefined && at.now - lastInitiationAt < config.retryMs)
    return quiet(withTimers(session, { retry: session.timers.retry ?? lastInitiationAt + config.retryMs }));
  const timestamp = timestampAt(at.unixMs, session.lastTimestamp);
  const created = createInitiation(config, { ...freshness(session, at), timestamp });
  if (!created.ok) return refusal(session, created.problem, true);
  const datagram = withMacs(encodeMessage(created.value.message), config.peerPublicKey, usableCookie(session, at.now));
  const sent = {
    ...session,
    pending: {
      sent: created.value.sent,
      mac1: datagram.slice(datagram.length - MACS_LENGTH, datagram.length - MAC_LENGTH),
      since: session.pending?.since ?? at.now,
    },
    lastInitiationAt: at.now,
    lastTimestamp: timestamp,
  };
  return {
    session: withTimers(sent, { retry: at.now + config.retryMs + jitter(config.retryMs, at) }),
    effects: [{ kind: 'send', datagram }],
  };
}

/** A cookie of the peer that it still honours. */
export function usableCookie(session: Session, now: number): Uint8Array | undefined {
  const { cookie } = session;
  return cookie !== undefined && now - cookie.receivedAt < COOKIE_LIFETIME_MS ? cookie.value : undefined;
}

/** A new key pair, and an index that no session of ours uses. */
export function freshness(session: Session, at: Moment): Freshness {
  const { current, previous, next, pending } = session;
  const taken = [current?.localIndex, previous?.localIndex, next?.localIndex, pending?.sent.index];
  let index = viewOf(at.randomBytes(4)).getUint32(0);
  while (taken.includes(index)) index = (index + 1) >>> 0;
  return { ephemeral: curveKeys(at.randomBytes(KEY_LENGTH)), index };
}

function jitter(retryMs: number, at: Moment): number {
  const part = viewOf(at.randomBytes(2)).getUint16(0) / 2 ** 16;
  return Math.floor(retryMs * JITTER_PART * part);
}

import { initiate } from './session-initiate.ts';
import { receiveDatagram } from './session-receive.ts';
import { persistentAt, sendKeepalive, sendPacket } from './session-send.ts';
import { andThen, type Moment, quiet, type Session, type Step, withTimers } from './session-state.ts';

/** What can happen to a session. `connect` asks for a new handshake even if a session stands. */
export type SessionEvent =
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  | { readonly kind: 'datagram'; readonly datagram: Uint8Array }
  | { readonly kind: 'connect' }
  | { readonly kind: 'tick' };

/**
 * The session after an event, and what is to be done: the whole of WireGuard's state machine for one peer, as
 * initiator and as responder (WireGuard paper, sections 5 and 6).
 */
export function step(session: Session, event: SessionEvent, at: Moment): Step {
  switch (event.kind) {
    case 'packet':
      return sendPacket(session, event.packet, at);
    case 'datagram':
      return receiveDatagram(session, event.datagram, at);
    case 'connect':
      return initiate(session, at);
    case 'tick':
      return tick(session, at);
  }
}

/** When the session wants its next tick (monotonic milliseconds), or undefined while nothing is due. */
export function nextTick(session: Session): number | undefined {
  const due = Object.values(session.timers).filter((time) => time !== undefined);
  return due.length === 0 ? undefined : Math.min(...due);
}

function tick(session: Session, at: Moment): Step {
  const reactions = [retried, keptAlive, renewedAfterSilence, keptOpen, forgotten];
  return reactions.reduce<Step>((last, react) => andThen(last, (next) => react(next, at)), quiet(session));
}

function isDue(time: number | undefined, at: Moment): boolean {
  return time !== undefined && at.now >= time;
}

function retried(session: Session, at: Moment): Step {
  if (!isDue(session.timers.retry, at)) return quiet(session);
  const since = session.pending?.since ?? at.now;
  if (at.now - since < session.config.giveUpAfterMs) return initiate(withTimers(session, { retry: undefined }), at);
  const resting = { ...session, pending: undefined, waiting: [] };
  return {
    session: withTimers(resting, { retry: undefined, keepalive: undefined }),
    effects: [{ kind: 'unanswered' }],
  };
}

function keptAlive(session: Session, at: Moment): Step {
  if (!isDue(session.timers.keepalive, at)) return quiet(session);
  return sendKeepalive(withTimers(session, { keepalive: undefined }), at);
}

function renewedAfterSilence(session: Session, at: Moment): Step {
  return isDue(session.timers.silence, at) ? initiate(withTimers(session, { silence: undefined }), at) : quiet(session);
}

function keptOpen(session: Session, at: Moment): Step {
  if (!isDue(session.timers.persistent, at)) return quiet(session);
  const rearmed = withTimers(session, { persistent: persistentAt(session, at.now) });
  return sendKeepalive(rearmed, at);
}

function forgotten(session: Session, at: Moment): Step {
  if (!isDue(session.timers.forget, at)) return quiet(session);
  const empty = { ...session, current: undefined, previous: undefined, next: undefined };
  return quiet(withTimers(empty, { forget: undefined }));
}

import { initiate } from './session-initiate.ts';
import { andThen, type Moment, quiet, type Session, type Step, withTimers } from './session-state.ts';
import { isUsable, type Keypair, REKEY_AFTER_MESSAGES, REKEY_AFTER_MS, sealPacket } from './transport.ts';

export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Packets kept while there is no session; beyond it the oldest are dropped, as in the kernel. */
const MAX_WAITING = 128;
const NOTHING = new Uint8Array();

/** Seals an IP packet and sends it; without a session it waits, and a handshake is started. */
export function sendPacket(session: Session, packet: Uint8Array, at: Moment): Step {
  const { current } = session;
  if (current === undefined || !isUsable(current, at.now)) {
    return initiate({ ...session, waiting: [...session.waiting, packet].slice(-MAX_WAITING) }, at);
  }
  const step = transmit(session, current, packet, at);
  const silence = session.timers.silence ?? at.now + KEEPALIVE_TIMEOUT_MS + session.config.retryMs;
  return andThen({ ...step, session: withTimers(step.session, { silence }) }, (sent) => renewed(sent, at));
}

/** Sends everything that waited for a session; with `prove`, an initiator that has nothing to send sends a keepalive. */
export function sendWaiting(session: Session, at: Moment, prove: boolean): Step {
  const { waiting } = session;
  if (waiting.length === 0) return prove ? sendKeepalive(session, at) : quiet(session);
  return waiting.reduce<Step>(
    (step, packet) => andThen(step, (next) => sendPacket(next, packet, at)),
    quiet({ ...session, waiting: [] }),
  );
}

/** Sends an empty packet if there is a session. */
export function sendKeepalive(session: Session, at: Moment): Step {
  const { current } = session;
  if (current === undefined || !isUsable(current, at.now)) return quiet(session);
  return transmit(session, current, NOTHING, at);
}

/** When the next persistent keepalive is due after anything authentic passed. */
export function persistentAt(session: Session, now: number): number | undefined {
  const { persistentKeepaliveMs } = session.config;
  return persistentKeepaliveMs === undefined ? undefined : now + persistentKeepaliveMs;
}

function transmit(session: Session, current: Keypair, packet: Uint8Array, at: Moment): Step {
  const sealed = sealPacket(current, packet, session.config.mtu);
  const sent = { ...session, current: sealed.keypair };
  return {
    session: withTimers(sent, { keepalive: undefined, persistent: persistentAt(session, at.now) }),
    effects: [{ kind: 'send', datagram: sealed.datagram }],
  };
}

/** Only the initiator of a session renews it, so that both do not at once. */
function renewed(session: Session, at: Moment): Step {
  const { current } = session;
  if (current === undefined || !current.initiator) return quiet(session);
  const old = at.now - current.establishedAt >= REKEY_AFTER_MS || current.sent > REKEY_AFTER_MESSAGES;
  return old ? initiate(session, at) : quiet(session);
}

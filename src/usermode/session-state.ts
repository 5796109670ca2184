import type { Identity, SentInitiation } from './handshake.ts';
import type { Keypair } from './transport.ts';

/** One tunnel to one peer. The defaults of the protocol are in SESSION_DEFAULTS. */
export interface SessionConfig extends Identity {
  /** Milliseconds before an unanswered initiation is sent again; a random fifteenth is added. */
  readonly retryMs: number;
  /** Milliseconds of unanswered initiations before waiting packets are dropped. */
  readonly giveUpAfterMs: number;
  /** Milliseconds between keepalives that hold a NAT's mapping open; undefined sends none without cause. */
  readonly persistentKeepaliveMs: number | undefined;
  /** Largest IP packet in bytes. */
  readonly mtu: number;
}

/** REKEY_TIMEOUT, REKEY_ATTEMPT_TIME (WireGuard paper, section 6.1) and the MTU that fits any 1500-byte underlay. */
export const SESSION_DEFAULTS = {
  retryMs: 5_000,
  giveUpAfterMs: 90_000,
  persistentKeepaliveMs: undefined,
  mtu: 1420,
} as const;

/** When something happens, and the randomness it may use. */
export interface Moment {
  /** Monotonic milliseconds: ages and timers. */
  readonly now: number;
  /** Wall clock milliseconds since 1970: only for the handshake's timestamp. */
  readonly unixMs: number;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** An initiation on its way. `since` is when the first of the unanswered ones was sent. */
export interface PendingHandshake {
  readonly sent: SentInitiation;
  readonly mac1: Uint8Array;
  readonly since: number;
}

/** When each timer runs out (monotonic milliseconds); undefined when it is not set. */
export interface Timers {
  /** The initiation has had no answer. */
  readonly retry: number | undefined;
  /** We have received, and sent nothing since. */
  readonly keepalive: number | undefined;
  /** We have sent, and heard nothing since: the peer may have forgotten the session. */
  readonly silence: number | undefined;
  readonly persistent: number | undefined;
  /** The last keys are long dead and are forgotten. */
  readonly forget: number | undefined;
}

/**
 * Everything one side of a tunnel knows. Of the sessions, `current` is the one we send with; `next` is one that
 * we answered and the initiator has not yet used; `previous` still opens packets that were under way.
 */
export interface Session {
  readonly config: SessionConfig;
  readonly pending: PendingHandshake | undefined;
  readonly current: Keypair | undefined;
  readonly previous: Keypair | undefined;
  readonly next: Keypair | undefined;
  /** Packets that wait for a session, oldest first. */
  readonly waiting: readonly Uint8Array[];
  readonly cookie: { readonly value: Uint8Array; readonly receivedAt: number } | undefined;
  readonly lastInitiationAt: number | undefined;
  readonly lastTimestamp: Uint8Array | undefined;
  /** The newest timestamp the peer proved, and when it came. */
  readonly peerInitiation: { readonly timestamp: Uint8Array; readonly at: number } | undefined;
  /** True once the last received packet asked for a fresh session, so that it is asked for once. */
  readonly renewedLate: boolean;
  readonly timers: Timers;
}

/**
 * What a step wants done, in order. `refused` is a datagram that changed nothing; with `ofHandshake` it was to open the
 * session that we asked for, so its problem tells why there is none.
 */
export type SessionEffect =
  | { readonly kind: 'send'; readonly datagram: Uint8Array }
  | { readonly kind: 'receive'; readonly packet: Uint8Array }
  | { readonly kind: 'established'; readonly initiator: boolean }
  | { readonly kind: 'unanswered' }
  | { readonly kind: 'refused'; readonly problem: string; readonly ofHandshake: boolean };

export interface Step {
  readonly session: Session;
  readonly effects: readonly SessionEffect[];
}

/** A step without effects. */
export function quiet(session: Session): Step {
  return { session, effects: [] };
}

/** A step whose only effect is a datagram that was not acted on. */
export function refusal(session: Session, problem: string, ofHandshake = false): Step {
  return { session, effects: [{ kind: 'refused', problem, ofHandshake }] };
}

/** The first step, and then another from where it ended. */
export function andThen(first: Step, next: (session: Session) => Step): Step {
  const second = next(first.session);
  return { session: second.session, effects: [...first.effects, ...second.effects] };
}

/** The session with some timers set or cleared. */
export function withTimers(session: Session, timers: Partial<Timers>): Session {
  return { ...session, timers: { ...session.timers, ...timers } };
}

/**
 * A session that knows nothing of its peer yet. `lastTimestamp` is that of an earlier session with the same peer: the
 * peer refuses everything up to it, which matters when the clock has been set back.
 */
export function newSession(config: SessionConfig, lastTimestamp?: Uint8Array): Session {
  return {
    config,
    pending: undefined,
    current: undefined,
    previous: undefined,
    next: undefined,
    waiting: [],
    cookie: undefined,
    lastInitiationAt: undefined,
    lastTimestamp,
    peerInitiation: undefined,
    renewedLate: false,
    timers: { retry: undefined, keepalive: undefined, silence: undefined, persistent: undefined, forget: undefined },
  };
}

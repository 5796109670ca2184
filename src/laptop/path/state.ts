import type { Endpoint } from '../../net/endpoint.ts';
import { type Counters, NO_SILENCE, type Silence } from './silence.ts';

/** An endpoint as the configuration names it, and the address (with port) that it stood for when it was last looked up. */
export interface Candidate {
  readonly endpoint: Endpoint;
  readonly address: Endpoint;
}

/** How a gateway is reached now, as a person may be told. */
export interface PathStanding extends Candidate {
  /** `unproven`: the gateway shakes hands, but nothing comes through the tunnel. `offline`: none of its endpoints answers. */
  readonly condition: 'working' | 'unproven' | 'offline';
  /** Milliseconds since 1970 when this endpoint was dialled. */
  readonly dialledAt: number;
  /** Milliseconds since 1970 when the condition came to be. */
  readonly conditionSince: number;
  /** Milliseconds since 1970 when a check last proved it; undefined until one did. */
  readonly provenAt: number | undefined;
  /** Usual round trip through the tunnel, in milliseconds; undefined until it was measured. */
  readonly rttMs: number | undefined;
}

/** When something happens: monotonic milliseconds, and milliseconds since 1970, which tell that the machine has slept. */
export interface PathMoment {
  readonly now: number;
  readonly unixMs: number;
}

export type PathEvent =
  /** Ten times a second. `counters` is undefined while there is no interface; `isOurs`: a check ran since the last tick or just before. */
  | { readonly kind: 'tick'; readonly counters: Counters | undefined; readonly isOurs: boolean }
  /** How a check ended; without a round trip it failed. */
  | { readonly kind: 'checked'; readonly rttMs: number | undefined }
  /** How a race ended; without a winner nobody answered. */
  | { readonly kind: 'raced'; readonly winner: (Candidate & { readonly rttMs: number }) | undefined }
  /** The endpoint that was to be set is set, or could not be. */
  | { readonly kind: 'set'; readonly ok: boolean }
  /** An address, a route or a link of the machine has changed. */
  | { readonly kind: 'woken' }
  /** The configuration does not name the present endpoint any more. */
  | { readonly kind: 'unlisted' };

/** At most one of check, race and set is under way for a path: each takes the place of the one before. */
export type PathEffect =
  /** A TCP connection through the tunnel to the gateway's own address; a refusal proves the path as well. */
  | { readonly kind: 'check'; readonly timeoutMs: number }
  /** A race over all endpoints but those at the avoided addresses, the present one first. */
  | { readonly kind: 'race'; readonly present: Candidate; readonly avoid: readonly Endpoint[] }
  /** Make the peer anew at this address, so that WireGuard shakes hands at once, also where it is the present one. */
  | { readonly kind: 'set'; readonly to: Candidate }
  /** Give up what is under way; its outcome is not needed any more. */
  | { readonly kind: 'cancel' }
  | { readonly kind: 'tell'; readonly standing: PathStanding };

/** Why a check is made: something was silent; the present endpoint shook hands after a failed check; an endpoint was just set. */
export type CheckReason = 'doubt' | 'again' | 'proof';

/** Why a race is held: a check failed; nobody answered before; the present endpoint shakes hands and carries nothing. */
export type RaceReason = 'doubt' | 'return' | 'elsewhere';

export type Phase =
  | { readonly kind: 'watching' }
  | { readonly kind: 'checking'; readonly why: CheckReason; readonly begunAt: number }
  | { readonly kind: 'racing'; readonly why: RaceReason; readonly begunAt: number }
  | { readonly kind: 'setting'; readonly to: Candidate; readonly rttMs: number }
  | { readonly kind: 'waiting'; readonly until: number; readonly begunAt: number };

/** All that is known of the way to one gateway. */
export interface PathState {
  /** Whether the interface has no other gateway, so that its counters speak of this one alone. */
  readonly isAlone: boolean;
  readonly standing: PathStanding;
  readonly phase: Phase;
  readonly silence: Silence;
  /** When the path was last known to work. */
  readonly provenAt: number;
  /** When a silent application may next be the reason of a check, and how many checks in a row found the path good. */
  readonly quiet: { readonly until: number; readonly checks: number };
  /** Waits in a row. */
  readonly attempts: number;
  /** Checks in a row that failed after the present endpoint was set. */
  readonly failedProofs: number;
  /** Addresses that shook hands and carried nothing, since the path last worked. */
  readonly distrusted: readonly Endpoint[];
  readonly woken: { readonly isDue: boolean; readonly actedAt: number };
  readonly lastTick: PathMoment | undefined;
}

/** A path that was just dialled at its first endpoint. Its first tick checks it, to learn the round trip. */
export function newPath(
  first: Candidate & { readonly rttMs?: number | undefined },
  isAlone: boolean,
  at: PathMoment,
): PathState {
  const { endpoint, address, rttMs } = first;
  const { unixMs } = at;
  return {
    isAlone,
    standing: {
      endpoint,
      address,
      condition: 'working',
      dialledAt: unixMs,
      conditionSince: unixMs,
      provenAt: undefined,
      rttMs,
    },
    phase: { kind: 'watching' },
    silence: NO_SILENCE,
    provenAt: Number.NEGATIVE_INFINITY,
    quiet: { until: Number.NEGATIVE_INFINITY, checks: 0 },
    attempts: 0,
    failedProofs: 0,
    distrusted: [],
    woken: { isDue: false, actedAt: Number.NEGATIVE_INFINITY },
    lastTick: undefined,
  };
}

import { answered, listen } from './silence.ts';
import type {
  Candidate,
  CheckReason,
  PathEffect,
  PathEvent,
  PathMoment,
  PathStanding,
  PathState,
  Phase,
  RaceReason,
} from './state.ts';
import {
  checkMs,
  IDLE_CHECK_MS,
  proofMs,
  quietMs,
  SHARED_CHECK_MS,
  SLEPT_MS,
  silenceMs,
  usualRtt,
  WAKE_MS,
  waitMs,
} from './timing.ts';

export interface PathTurn {
  readonly state: PathState;
  readonly effects: readonly PathEffect[];
}

/**
 * What becomes of the way to a gateway, and what is to be done, after something happened:
 *
 *     watching ──silence──► checking ──failed──► racing ──another won──► setting ──► checking (proof)
 *        ▲                     │ good              │ the present won: check again; failed: set it anew
 *        └─────────────────────┴───────────────────┴── nobody answers: waiting 1, 2, 5, 10 s, then racing
 *
 * A move ends the connections through the former node, so it is never made while the present endpoint works: a preferred one is
 * returned to only when the present one fails. Whatever comes in through the tunnel meanwhile proves the path and ends all doubt.
 */
export function advancePath(state: PathState, event: PathEvent, at: PathMoment): PathTurn {
  switch (event.kind) {
    case 'tick':
      return tick(state, event, at);
    case 'checked':
      return state.phase.kind === 'checking' ? checked(state, state.phase, event.rttMs, at) : stay(state);
    case 'raced':
      return state.phase.kind === 'racing' ? raced(state, state.phase.why, event.winner, at) : stay(state);
    case 'set':
      return state.phase.kind === 'setting' ? wasSet(state, state.phase, event.ok, at) : stay(state);
    case 'woken':
      return stay({ ...state, woken: { ...state.woken, isDue: true } });
    case 'unlisted':
      return state.phase.kind === 'setting' ? stay(state) : race(state, 'return', at);
  }
}

function tick(
  before: PathState,
  { counters, isOurs }: Extract<PathEvent, { readonly kind: 'tick' }>,
  at: PathMoment,
): PathTurn {
  const ticked = {
    ...before,
    lastTick: at,
    woken: hasSlept(before, at) ? { ...before.woken, isDue: true } : before.woken,
  };
  if (counters === undefined) return stay(ticked);
  const silence = listen(before.silence, { counters, now: at.now, isOurs });
  const state = { ...ticked, silence, quiet: silence.hasHeard ? { until: at.now, checks: 0 } : before.quiet };
  switch (state.phase.kind) {
    case 'watching':
      return isDoubtful(state, at.now) ? check(awake(state, at.now), 'doubt', at) : stay(state);
    case 'racing':
      return hasHeardSince(state, state.phase.begunAt)
        ? withEffect({ kind: 'cancel' }, proven(state, undefined, at))
        : stay(state);
    case 'waiting':
      if (hasHeardSince(state, state.phase.begunAt)) return check(state, 'doubt', at);
      if (at.now < state.phase.until && !isWakeDue(state, at.now)) return stay(state);
      return race({ ...awake(state, at.now), distrusted: [], failedProofs: 0 }, 'return', at);
    case 'checking':
    case 'setting':
      return stay(state);
  }
}

function isDoubtful(state: PathState, now: number): boolean {
  const { silence, standing, provenAt, quiet, isAlone } = state;
  const { unansweredSince } = silence;
  if (isWakeDue(state, now)) return true;
  const knownAt = isAlone ? Math.max(provenAt, silence.heardAt) : provenAt;
  if (now - knownAt >= IDLE_CHECK_MS) return true;
  if (!isAlone && silence.hasSent && now - provenAt >= SHARED_CHECK_MS) return true;
  return unansweredSince !== undefined && now >= quiet.until && now - unansweredSince >= silenceMs(standing.rttMs);
}

function checked(
  state: PathState,
  { why, begunAt }: Extract<Phase, { readonly kind: 'checking' }>,
  rttMs: number | undefined,
  at: PathMoment,
): PathTurn {
  // A kernel counts the answer to a handshake as well, which proves nothing of an endpoint that was just set.
  const isGood = rttMs !== undefined || (why !== 'proof' && hasHeardSince(state, begunAt));
  if (isGood) return proven(state, rttMs, at);
  if (why === 'doubt') return race(state, 'doubt', at);
  // It shook hands a moment ago: it has forgotten our session, as after a restart, and WireGuard would notice only after 15 s.
  if (why === 'again') return set(state, state.standing, state.standing.rttMs ?? 0);
  // Where the handshake was lost, WireGuard would repeat it after five seconds; set again, the peer begins another.
  const failed = { ...state, failedProofs: state.failedProofs + 1 };
  if (failed.failedProofs < 2) return set(failed, state.standing, state.standing.rttMs ?? 0);
  return race({ ...failed, distrusted: [...state.distrusted, state.standing.address] }, 'elsewhere', at);
}

function raced(
  state: PathState,
  why: RaceReason,
  winner: Extract<PathEvent, { readonly kind: 'raced' }>['winner'],
  at: PathMoment,
): PathTurn {
  if (winner === undefined) return wait(state, why === 'elsewhere' ? 'unproven' : 'offline', at);
  const { rttMs, ...candidate } = winner;
  const isPresent = candidate.address === state.standing.address;
  // An interface that was offline may be within the five seconds that it waits before it tries again, so it is set in any case.
  if (!isPresent || why !== 'doubt') return set(state, candidate, rttMs);
  const standing = { ...state.standing, rttMs: usualRtt(state.standing.rttMs, rttMs) };
  // A queue may have filled since the usual round trip was learnt, and the race has just measured it.
  return check({ ...state, standing }, 'again', at, Math.max(rttMs, standing.rttMs ?? 0));
}

function wasSet(
  state: PathState,
  { to, rttMs }: Extract<Phase, { readonly kind: 'setting' }>,
  ok: boolean,
  at: PathMoment,
): PathTurn {
  if (!ok) return wait(state, 'unproven', at);
  const moved = to.address !== state.standing.address;
  const standing = moved ? { ...state.standing, ...to, rttMs, dialledAt: at.unixMs } : { ...state.standing, ...to };
  const turn = check({ ...state, standing, failedProofs: moved ? 0 : state.failedProofs }, 'proof', at);
  return moved ? withEffect({ kind: 'tell', standing }, turn) : turn;
}

/** The path works: nothing that was sent before is owed an answer, and a silent application is left alone for a while. */
function proven(state: PathState, rttMs: number | undefined, at: PathMoment): PathTurn {
  const checks = state.quiet.checks + 1;
  const usual = rttMs === undefined ? state.standing.rttMs : usualRtt(state.standing.rttMs, rttMs);
  return tell({
    ...state,
    standing: { ...inCondition(state.standing, 'working', at), provenAt: at.unixMs, rttMs: usual },
    phase: { kind: 'watching' },
    silence: answered(state.silence),
    provenAt: at.now,
    quiet: { until: at.now + quietMs(checks), checks },
    attempts: 0,
    failedProofs: 0,
    distrusted: [],
  });
}

function check(
  state: PathState,
  why: CheckReason,
  { now }: PathMoment,
  rttMs: number | undefined = state.standing.rttMs,
): PathTurn {
  const timeoutMs = why === 'proof' ? proofMs(rttMs) : checkMs(rttMs);
  return {
    state: { ...state, phase: { kind: 'checking', why, begunAt: now } },
    effects: [{ kind: 'check', timeoutMs }],
  };
}

function race(state: PathState, why: RaceReason, { now }: PathMoment): PathTurn {
  const { endpoint, address } = state.standing;
  const effect: PathEffect = { kind: 'race', present: { endpoint, address }, avoid: state.distrusted };
  return { state: { ...state, phase: { kind: 'racing', why, begunAt: now } }, effects: [effect] };
}

function set(state: PathState, { endpoint, address }: Candidate, rttMs: number): PathTurn {
  const to = { endpoint, address };
  return { state: { ...state, phase: { kind: 'setting', to, rttMs } }, effects: [{ kind: 'set', to }] };
}

function wait(state: PathState, condition: 'offline' | 'unproven', at: PathMoment): PathTurn {
  const attempts = state.attempts + 1;
  const phase = { kind: 'waiting', until: at.now + waitMs(attempts), begunAt: at.now } as const;
  return tell({ ...state, phase, attempts, standing: inCondition(state.standing, condition, at) });
}

function tell(state: PathState): PathTurn {
  return { state, effects: [{ kind: 'tell', standing: state.standing }] };
}

function stay(state: PathState): PathTurn {
  return { state, effects: [] };
}

function withEffect(effect: PathEffect, { state, effects }: PathTurn): PathTurn {
  return { state, effects: [effect, ...effects] };
}

function inCondition(
  standing: PathStanding,
  condition: PathStanding['condition'],
  { unixMs }: PathMoment,
): PathStanding {
  return standing.condition === condition ? standing : { ...standing, condition, conditionSince: unixMs };
}

/** Where the interface has other gateways as well, what it receives may come from them. */
function hasHeardSince({ isAlone, silence }: PathState, since: number): boolean {
  return isAlone && silence.heardAt > since;
}

/** Monotonic time stands still while a machine sleeps. */
function hasSlept({ lastTick }: PathState, { now, unixMs }: PathMoment): boolean {
  return lastTick !== undefined && Math.abs(unixMs - lastTick.unixMs - (now - lastTick.now)) >= SLEPT_MS;
}

function isWakeDue({ woken }: PathState, now: number): boolean {
  return woken.isDue && now - woken.actedAt >= WAKE_MS;
}

function awake(state: PathState, now: number): PathState {
  return isWakeDue(state, now) ? { ...state, woken: { isDue: false, actedAt: now } } : state;
}

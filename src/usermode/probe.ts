import { addressOf } from './ip.ts';
import {
  type DnsTarget,
  dnsQuestion,
  packetOf,
  type Question,
  type TcpTarget,
  targetText,
  tcpQuestion,
  verdictOf,
} from './probe-question.ts';
import {
  dnsTimeout,
  type GatewayName,
  handshakeProblem,
  type ProbeResult,
  type ProbeStep,
  type Problem,
  tcpTimeout,
} from './probe-result.ts';

/** How long each step may take in milliseconds, retransmissions included. */
export interface ProbeTimeouts {
  readonly handshakeMs: number;
  readonly dnsMs: number;
  readonly tcpMs: number;
}

/** What one run asks: the questions in order, all from the probe's own mesh address. */
export interface ProbePlan {
  readonly gateway: GatewayName;
  readonly questions: readonly Question[];
  readonly timeouts: ProbeTimeouts;
}

/** A run under way. `asking` counts the questions that are answered; `step` is what is waited for. */
export interface Probe {
  readonly plan: ProbePlan;
  readonly step: ProbeStep | 'done';
  readonly asking: number;
  readonly since: number;
  readonly attempts: number;
  readonly repeatAt: number;
  /** The session is of an earlier run, and has not been replaced in this one. */
  readonly isOld: boolean;
  /** A second handshake in this run has been asked for already. */
  readonly revived: boolean;
  readonly sendError: string | undefined;
  readonly refused: string | undefined;
  readonly times: { readonly handshakeMs?: number; readonly dnsMs?: number };
}

export type ProbeEvent =
  | { readonly kind: 'established' }
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  | { readonly kind: 'undeliverable'; readonly code: string }
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'tick' };

export type ProbeEffect =
  | { readonly kind: 'connect' }
  | { readonly kind: 'send'; readonly packet: Uint8Array }
  | { readonly kind: 'done'; readonly result: ProbeResult };

export interface ProbeTurn {
  readonly probe: Probe;
  readonly effects: readonly ProbeEffect[];
}

const FIRST_REPEAT_MS = 250;
const LAST_REPEAT_MS = 500;
/** After this long without an answer through an old session, the session itself is doubted. */
const DOUBT_AFTER_MS = 1_000;

/** The questions of a run: one name if wanted, then one connection. `random` holds at least ten bytes. */
export function probeQuestions(
  source: Uint8Array,
  targets: { readonly dns: DnsTarget | undefined; readonly tcp: TcpTarget },
  random: Uint8Array,
): readonly Question[] {
  const tcp = tcpQuestion(source, targets.tcp, random.subarray(4));
  return targets.dns === undefined ? [tcp] : [dnsQuestion(source, targets.dns, random), tcp];
}

/** Begins a run, on a standing session when `standing` tells how long its handshake took. Times are monotonic milliseconds. */
export function startProbe(
  plan: ProbePlan,
  standing: { readonly handshakeMs: number } | undefined,
  now: number,
): ProbeTurn {
  const probe: Probe = {
    plan,
    step: 'handshake',
    asking: 0,
    since: now,
    attempts: 0,
    repeatAt: Number.POSITIVE_INFINITY,
    isOld: standing !== undefined,
    revived: false,
    sendError: undefined,
    refused: undefined,
    times: standing ?? {},
  };
  return standing === undefined ? connect(probe, now) : ask(probe, now);
}

/** The run after an event; the last turn has the one effect `done`. */
export function advanceProbe(probe: Probe, event: ProbeEvent, now: number): ProbeTurn {
  if (probe.step === 'done') return { probe, effects: [] };
  switch (event.kind) {
    case 'established':
      if (probe.step !== 'handshake') return { probe, effects: [] };
      return ask({ ...probe, isOld: false, times: { ...probe.times, handshakeMs: now - probe.since } }, now);
    case 'packet':
      return hear(probe, event.packet, now);
    case 'undeliverable': {
      const told = { ...probe, sendError: event.code };
      return probe.step === 'handshake' || probe.revived ? { probe: told, effects: [] } : revive(told, now);
    }
    case 'refused':
      return { probe: probe.step === 'handshake' ? { ...probe, refused: event.problem } : probe, effects: [] };
    case 'tick':
      return tick(probe, now);
  }
}

/** True when the packet says something about one of the run's questions. */
export function concerns(probe: Probe, packet: Uint8Array): boolean {
  return probe.plan.questions.some((asked) => verdictOf(asked, packet).kind !== 'unrelated');
}

/** When the run wants its next tick; undefined once it is done. */
export function nextProbeTick(probe: Probe): number | undefined {
  return probe.step === 'done' ? undefined : Math.min(deadlineOf(probe), doubtAt(probe), probe.repeatAt);
}

function connect(probe: Probe, now: number): ProbeTurn {
  const waiting: Probe = { ...probe, step: 'handshake', since: now, repeatAt: Number.POSITIVE_INFINITY };
  return { probe: waiting, effects: [{ kind: 'connect' }] };
}

/** Puts the current question for the first time. */
function ask(probe: Probe, now: number): ProbeTurn {
  const asked = probe.plan.questions[probe.asking];
  if (asked === undefined) return { probe, effects: [] };
  return put({ ...probe, step: asked.step, since: now, attempts: 0, sendError: undefined }, asked, now);
}

function put(probe: Probe, asked: Question, now: number): ProbeTurn {
  const repeatAt = now + Math.min(FIRST_REPEAT_MS * 2 ** probe.attempts, LAST_REPEAT_MS);
  const effects: readonly ProbeEffect[] = [{ kind: 'send', packet: packetOf(asked, probe.attempts) }];
  return { probe: { ...probe, attempts: probe.attempts + 1, repeatAt }, effects };
}

function hear(probe: Probe, packet: Uint8Array, now: number): ProbeTurn {
  const asked = probe.plan.questions[probe.asking];
  if (asked === undefined || probe.step === 'handshake') return { probe, effects: [] };
  const verdict = verdictOf(asked, packet);
  if (verdict.kind === 'unrelated') return { probe, effects: [] };
  if (verdict.kind === 'failed') return fail(probe, verdict.problem);
  const replies: readonly ProbeEffect[] = verdict.reply === undefined ? [] : [{ kind: 'send', packet: verdict.reply }];
  const next = answered(probe, asked, now - probe.since, now);
  return { probe: next.probe, effects: [...replies, ...next.effects] };
}

function answered(probe: Probe, asked: Question, tookMs: number, now: number): ProbeTurn {
  if (asked.step === 'dns')
    return ask({ ...probe, asking: probe.asking + 1, times: { ...probe.times, dnsMs: tookMs } }, now);
  const { handshakeMs = 0, ...times } = probe.times;
  const result: ProbeResult = { ok: true, reused: probe.isOld, handshakeMs, ...times, tcpMs: tookMs };
  return { probe: { ...probe, step: 'done' }, effects: [{ kind: 'done', result }] };
}

function tick(probe: Probe, now: number): ProbeTurn {
  const asked = probe.plan.questions[probe.asking];
  if (now >= doubtAt(probe)) return revive(probe, now);
  if (now >= deadlineOf(probe)) return fail(probe, timeoutProblem(probe));
  if (asked === undefined || probe.step === 'handshake' || now < probe.repeatAt) return { probe, effects: [] };
  return put(probe, asked, now);
}

/** When an old session that brings no answer is replaced: always before the step is called failed. */
function doubtAt(probe: Probe): number {
  if (!probe.isOld || probe.revived || probe.step === 'handshake') return Number.POSITIVE_INFINITY;
  return Math.min(probe.since + DOUBT_AFTER_MS, deadlineOf(probe));
}

/** A gateway that restarted has forgotten the session, so only a new handshake tells a lost tunnel from a lost Service. */
function revive(probe: Probe, now: number): ProbeTurn {
  return connect({ ...probe, revived: true }, now);
}

function fail(probe: Probe, problem: Problem): ProbeTurn {
  if (probe.step === 'done') return { probe, effects: [] };
  const { handshakeMs, ...others } = probe.times;
  const times = probe.step === 'handshake' || handshakeMs === undefined ? {} : { handshakeMs, ...others };
  const result: ProbeResult = { ok: false, step: probe.step, ...problem, ...times };
  return { probe: { ...probe, step: 'done' }, effects: [{ kind: 'done', result }] };
}

function deadlineOf(probe: Probe): number {
  const { timeouts } = probe.plan;
  const budgets = { handshake: timeouts.handshakeMs, dns: timeouts.dnsMs, tcp: timeouts.tcpMs };
  return probe.step === 'done' ? Number.POSITIVE_INFINITY : probe.since + budgets[probe.step];
}

function timeoutProblem(probe: Probe): Problem {
  const { gateway, timeouts } = probe.plan;
  const asked = probe.plan.questions[probe.asking];
  if (probe.step === 'handshake' || asked === undefined)
    return handshakeProblem(gateway, timeouts.handshakeMs, { sendError: probe.sendError, refused: probe.refused });
  if (asked.step === 'dns') return dnsTimeout(addressOf(asked.flow.destination), asked.question.name, timeouts.dnsMs);
  return tcpTimeout(targetText(asked), timeouts.tcpMs);
}

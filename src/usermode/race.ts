import type { IpAddress } from '../net/address.ts';
import { curveKeys, KEY_LENGTH } from '../net/curve-keys.ts';
import { viewOf } from './bytes.ts';
import { consumeCookieReply, mac1IsValid, withMacs } from './cookie.ts';
import { consumeResponse, createInitiation, type Identity, type SentInitiation } from './handshake.ts';
import { type CookieReply, encodeMessage, MAC_LENGTH, MACS_LENGTH, parseMessage, type Response } from './messages.ts';
import type { Moment } from './session-state.ts';
import { timestampAt } from './timestamp.ts';

/** One address at which a gateway may be dialled. */
export interface RaceEndpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** How a race paces itself, in milliseconds. */
export interface RaceTiming {
  /** Head start of each endpoint before the next one, so that of two equally near ones the preferred wins. */
  readonly stepMs: number;
  /** All head starts together; with many endpoints the steps become shorter. */
  readonly spreadMs: number;
  /** When an endpoint that has not answered is asked again. */
  readonly retryMs: number;
  readonly timeoutMs: number;
}

/** Five initiations to each endpoint: at 5 % loss each way, one in 100,000 endpoints that work is taken for dead. */
export const RACE_TIMING: RaceTiming = { stepMs: 50, spreadMs: 200, retryMs: 400, timeoutMs: 2_000 };

export interface RacePlan {
  /** The gateway's key is `peerPublicKey`: every endpoint leads to a node that has it. */
  readonly identity: Identity;
  /** Most preferred first. */
  readonly endpoints: readonly RaceEndpoint[];
  readonly timing: RaceTiming;
}

/** The first endpoint whose answer was authentic, and how long that answer took in milliseconds. */
export interface RaceWinner {
  readonly endpoint: RaceEndpoint;
  readonly rttMs: number;
}

/** A race under way: nothing but handshakes, for no session ever comes of it. */
export interface Race {
  readonly plan: RacePlan;
  readonly startedAt: number;
  readonly lanes: readonly Lane[];
  readonly won: { readonly winner: RaceWinner; readonly at: number } | undefined;
}

export type RaceEvent = { readonly kind: 'tick' } | { readonly kind: 'datagram'; readonly datagram: Uint8Array };

export type RaceEffect =
  | { readonly kind: 'send'; readonly datagram: Uint8Array; readonly to: RaceEndpoint }
  | { readonly kind: 'ended'; readonly winner: RaceWinner | undefined };

export interface RaceTurn {
  readonly race: Race;
  readonly effects: readonly RaceEffect[];
}

/** An endpoint with what was sent there. An answer to any of the attempts counts, however late. */
interface Lane {
  readonly endpoint: RaceEndpoint;
  readonly dueAt: number;
  readonly attempts: readonly Attempt[];
  readonly cookie: Uint8Array | undefined;
}

interface Attempt {
  readonly sent: SentInitiation;
  readonly mac1: Uint8Array;
  readonly sentAt: number;
}

/**
 * How long after the winner's answer a race ends. A gateway takes an initiation only with a later timestamp than the one before, and timestamps
 * have steps of 16.8 ms; it also drops what comes within 20 ms (WireGuard paper, sections 5.1 and 5.4; INITIATIONS_PER_SECOND), by a clock
 * that may be 10 ms coarse. An interface whose first initiation came sooner would repeat it only after five seconds. Counted from the answer,
 * because a slow node takes the initiation just before it answers.
 */
export const SETTLE_MS = 35;

/** A race that has sent nothing yet; its first tick is due at once. */
export function startRace(plan: RacePlan, now: number): Race {
  const { stepMs, spreadMs } = plan.timing;
  const step = Math.min(stepMs, spreadMs / Math.max(1, plan.endpoints.length - 1));
  const lanes = plan.endpoints.map((endpoint, place) => ({
    endpoint,
    dueAt: now + place * step,
    attempts: [],
    cookie: undefined,
  }));
  return { plan, startedAt: now, lanes, won: undefined };
}

/** The race after something happened. A datagram that is not authentic changes nothing. Nothing is to be done after `ended`. */
export function advanceRace(race: Race, event: RaceEvent, at: Moment): RaceTurn {
  const heard = event.kind === 'datagram' && race.won === undefined ? receive(race, event.datagram, at.now) : race;
  if (heard.won !== undefined) return ending(heard, at.now >= heard.won.at + SETTLE_MS);
  if (at.now >= race.startedAt + race.plan.timing.timeoutMs) return ending(heard, true);
  return sendDue(heard, at);
}

/** When the next tick is due, in monotonic milliseconds. */
export function nextRaceTick({ won, startedAt, plan, lanes }: Race): number {
  if (won !== undefined) return won.at + SETTLE_MS;
  return Math.min(startedAt + plan.timing.timeoutMs, ...lanes.map(({ dueAt }) => dueAt));
}

function ending(race: Race, isOver: boolean): RaceTurn {
  return { race, effects: isOver ? [{ kind: 'ended', winner: race.won?.winner }] : [] };
}

function sendDue(race: Race, at: Moment): RaceTurn {
  const effects: RaceEffect[] = [];
  const lanes = race.lanes.map((lane) => {
    if (lane.dueAt > at.now) return lane;
    const { attempt, datagram } = newAttempt(race.plan.identity, lane.cookie, at);
    effects.push({ kind: 'send', datagram, to: lane.endpoint });
    return { ...lane, dueAt: at.now + race.plan.timing.retryMs, attempts: [...lane.attempts, attempt] };
  });
  return { race: { ...race, lanes }, effects };
}

/**
 * The timestamp is never ahead of the clock, whatever was sent before: the interface that dials next takes its own from the same
 * clock, rounded down as ours, and it must be the later one. Two endpoints of one node may so get equal ones, and one of them no answer.
 */
function newAttempt(identity: Identity, cookie: Uint8Array | undefined, at: Moment) {
  const ephemeral = curveKeys(at.randomBytes(KEY_LENGTH));
  const index = viewOf(at.randomBytes(4)).getUint32(0);
  const created = createInitiation(identity, { ephemeral, index, timestamp: timestampAt(at.unixMs) });
  if (!created.ok) throw new Error(`race to a gateway: ${created.problem}`);
  const datagram = withMacs(encodeMessage(created.value.message), identity.peerPublicKey, cookie);
  const mac1 = datagram.slice(datagram.length - MACS_LENGTH, datagram.length - MAC_LENGTH);
  return { datagram, attempt: { sent: created.value.sent, mac1, sentAt: at.now } };
}

function receive(race: Race, datagram: Uint8Array, now: number): Race {
  const message = parseMessage(datagram);
  if (!message.ok) return race;
  if (message.value.kind === 'cookie') return keepCookie(race, message.value, now);
  if (message.value.kind !== 'response' || !mac1IsValid(datagram, race.plan.identity.local.publicKey)) return race;
  return decide(race, message.value, now);
}

function decide(race: Race, message: Response, now: number): Race {
  for (const { endpoint, attempts } of race.lanes)
    for (const { sent, sentAt } of attempts)
      if (sent.index === message.receiver && consumeResponse(sent, race.plan.identity, message).ok)
        return { ...race, won: { winner: { endpoint, rttMs: now - sentAt }, at: now } };
  return race;
}

/** A loaded gateway wants to see our address proven; it is asked again at once, but once only. */
function keepCookie(race: Race, reply: CookieReply, now: number): Race {
  const { peerPublicKey } = race.plan.identity;
  const lanes = race.lanes.map((lane) => {
    const attempt = lane.attempts.find(({ sent }) => sent.index === reply.receiver);
    const cookie = attempt && consumeCookieReply(reply, peerPublicKey, attempt.mac1);
    if (cookie === undefined) return lane;
    return { ...lane, cookie, dueAt: lane.cookie === undefined ? now : lane.dueAt };
  });
  return { ...race, lanes };
}

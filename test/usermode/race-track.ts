import type { IpAddress } from '../../src/net/address.ts';
import { cookieFor, createCookieReply, mac2IsValid, withMacs } from '../../src/usermode/cookie.ts';
import { consumeInitiation, createResponse, type Identity } from '../../src/usermode/handshake.ts';
import { encodeMessage, parseMessage } from '../../src/usermode/messages.ts';
import {
  advanceRace,
  nextRaceTick,
  RACE_TIMING,
  type Race,
  type RaceEffect,
  type RaceEndpoint,
  type RaceWinner,
  startRace,
} from '../../src/usermode/race.ts';
import { type Conditions, Path, PERFECT } from '../support/bad-network/path.ts';
import { at, identities, right, seeded, someKeys } from './builders.ts';

/** A node at an endpoint: how far it is, whose key it has, and whether it asks for cookies. */
export interface RacingNode {
  readonly conditions?: Partial<Conditions>;
  readonly identity?: Identity;
  readonly isLoaded?: boolean;
}

export interface Outcome {
  readonly winner: RaceWinner | undefined;
  readonly ms: number;
  readonly sent: readonly SentTo[];
}

interface SentTo {
  readonly to: RaceEndpoint;
  readonly at: number;
  readonly timestamp: Uint8Array;
}

const random = seeded('race');
const SOURCE = new Uint8Array(6);

/** Where the node at this place of a race is. */
export function endpointOfNode(place: number): RaceEndpoint {
  return { address: `192.0.2.${place + 1}` as IpAddress, port: 51840 };
}

/** Runs a race from `start` against nodes, most preferred first (undefined: nobody is there), to its end. */
export function runRace(nodes: readonly (RacingNode | undefined)[], { seed = 1, start = 0 } = {}): Outcome {
  const track = new Track(nodes, seed, start);
  while (track.outcome === undefined) track.next();
  return track.outcome;
}

class Track {
  outcome: Outcome | undefined;
  readonly #nodes: readonly (RacingNode | undefined)[];
  readonly #paths: readonly { readonly up: Path; readonly down: Path }[];
  readonly #start: number;
  readonly #gateway: Identity;
  readonly #sent: SentTo[] = [];
  #race: Race;
  #inFlight: { readonly at: number; readonly datagram: Uint8Array }[] = [];

  constructor(nodes: readonly (RacingNode | undefined)[], seed: number, start: number) {
    const { laptop, gateway } = identities(seeded('psk')(32));
    this.#nodes = nodes;
    this.#paths = nodes.map((_, place) => ({ up: new Path(seed + 2 * place), down: new Path(seed + 2 * place + 1) }));
    this.#start = start;
    this.#gateway = gateway;
    const endpoints = nodes.map((_, place) => endpointOfNode(place));
    this.#race = startRace({ identity: laptop, endpoints, timing: RACE_TIMING }, start);
  }

  /** Moves on to the next tick or the next datagram, whichever comes first. */
  next(): void {
    const tick = nextRaceTick(this.#race);
    const [arrival, ...later] = this.#inFlight.toSorted((one, other) => one.at - other.at);
    const arrives = arrival !== undefined && arrival.at < tick;
    if (arrives) this.#inFlight = later;
    const now = arrives ? arrival.at : tick;
    const event = arrives ? ({ kind: 'datagram', datagram: arrival.datagram } as const) : ({ kind: 'tick' } as const);
    const turn = advanceRace(this.#race, event, at(now));
    this.#race = turn.race;
    for (const effect of turn.effects) this.#carryOut(effect, now);
  }

  #carryOut(effect: RaceEffect, now: number): void {
    if (effect.kind === 'ended') {
      this.outcome = { winner: effect.winner, ms: now - this.#start, sent: this.#sent };
      return;
    }
    const { datagram, to } = effect;
    const received = right(consumeInitiation(this.#gateway.local, initiationIn(datagram)));
    this.#sent.push({ to, at: now, timestamp: received.timestamp });
    const place = this.#nodes.findIndex((_, index) => endpointOfNode(index).address === to.address);
    const [node, path] = [this.#nodes[place], this.#paths[place]];
    if (node === undefined || path === undefined) return;
    const conditions = { ...PERFECT, ...node.conditions };
    for (const there of path.up.cross(datagram, now, conditions)) {
      const answer = answerOf(node.identity ?? this.#gateway, there.packet, node.isLoaded === true);
      if (answer === undefined) continue;
      for (const back of path.down.cross(answer, there.at, conditions))
        this.#inFlight.push({ at: back.at, datagram: back.packet });
    }
  }
}

function answerOf(gateway: Identity, datagram: Uint8Array, isLoaded: boolean): Uint8Array | undefined {
  const message = parseMessage(datagram);
  if (!message.ok || message.value.kind !== 'initiation') return undefined;
  const cookie = cookieFor(new Uint8Array(32), SOURCE);
  if (isLoaded && !mac2IsValid(datagram, cookie)) {
    const own = { publicKey: gateway.local.publicKey, cookie, nonce: random(24) };
    return encodeMessage(createCookieReply(datagram, message.value.sender, own));
  }
  const received = consumeInitiation(gateway.local, message.value);
  if (!received.ok) return undefined;
  const fresh = { ephemeral: someKeys('ephemeral'), index: 7 };
  const response = right(createResponse(received.value, gateway.presharedKey, fresh));
  return withMacs(encodeMessage(response.message), received.value.peerPublicKey);
}

function initiationIn(datagram: Uint8Array) {
  const message = right(parseMessage(datagram));
  if (message.kind !== 'initiation') throw new Error(`a race sends no ${message.kind}`);
  return message;
}

import { randomFrom } from './random.ts';

/** What one direction of a path does to datagrams. Shares are from 0 to 1, of all packets. */
export interface Conditions {
  readonly delayMs: number;
  /** Each packet takes up to so much longer; more than the gap between packets reorders them. */
  readonly jitterMs: number;
  readonly loss: number;
  readonly duplicated: number;
  /** Share with one flipped bit. */
  readonly corrupted: number;
  /** Share that is kept back by `reorderMs`, so that later packets overtake it. */
  readonly reordered: number;
  readonly reorderMs: number;
  /** Undefined: no limit. */
  readonly bytesPerSecond?: number | undefined;
  /** What waits for the bandwidth; more is dropped. */
  readonly queueBytes: number;
  /** Swallows everything. */
  readonly blackHole: boolean;
}

export const PERFECT: Conditions = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  duplicated: 0,
  corrupted: 0,
  reordered: 0,
  reorderMs: 20,
  queueBytes: 64 * 1024,
  blackHole: false,
};

/** A datagram that arrives at this time, in milliseconds of the clock that was given. */
export interface Delivery {
  readonly at: number;
  readonly packet: Uint8Array;
}

/** One direction of a bad network. The same seed, packets, times and conditions give the same deliveries. */
export class Path {
  readonly #random: () => number;
  #freeAt = 0;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  /** What becomes of a packet that is sent now: none, one or two deliveries. */
  cross(packet: Uint8Array, now: number, conditions: Conditions): readonly Delivery[] {
    // Every packet draws the same number of times, so that one condition does not shift the luck of another.
    const { lost, doubled, flipped, kept, slow, slower, where } = this.#draw();
    if (conditions.blackHole || lost < conditions.loss) return [];
    const sentAt = this.#sentAt(packet.length, now, conditions);
    if (sentAt === undefined) return [];
    const late = kept < conditions.reordered ? conditions.reorderMs : 0;
    const arrived = flipped < conditions.corrupted ? withFlippedBit(packet, where) : packet;
    const delivery = (luck: number): Delivery => ({
      at: sentAt + conditions.delayMs + luck * conditions.jitterMs + late,
      packet: arrived,
    });
    return doubled < conditions.duplicated ? [delivery(slow), delivery(slower)] : [delivery(slow)];
  }

  #draw() {
    const next = this.#random;
    return {
      lost: next(),
      doubled: next(),
      flipped: next(),
      kept: next(),
      slow: next(),
      slower: next(),
      where: next(),
    };
  }

  /** When the packet has left a link that sends one after the other; undefined when its queue is full. */
  #sentAt(bytes: number, now: number, { bytesPerSecond, queueBytes }: Conditions): number | undefined {
    if (bytesPerSecond === undefined) return now;
    const begins = Math.max(now, this.#freeAt);
    if (((begins - now) / 1000) * bytesPerSecond + bytes > queueBytes) return undefined;
    this.#freeAt = begins + (bytes / bytesPerSecond) * 1000;
    return this.#freeAt;
  }
}

function withFlippedBit(packet: Uint8Array, where: number): Uint8Array {
  const copy = Uint8Array.from(packet);
  const bit = Math.floor(where * packet.length * 8);
  const byte = bit >> 3;
  copy[byte] = (copy[byte] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

import type { ObjectKey } from '../api/resource.ts';
import { milliseconds } from '../api/timestamp.ts';
import type { Connections } from '../mesh/connections.ts';
import type { DueCall } from '../mesh/takeover/calls.ts';
import { type CalledAway, Insisting, type Pull } from '../mesh/takeover/insisting.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Timers } from '../runtime/timers.ts';
import type { Deaths } from './deaths.ts';
import { callsTo, notCome } from './due-devices.ts';
import type { NodeSync } from './node-sync.ts';

export interface CalledDevicesOptions {
  readonly node: string;
  readonly sync: Pick<NodeSync, 'gateway' | 'table' | 'observedPeers' | 'callPeers' | 'seePeers'>;
  readonly connections: Connections;
  readonly deaths: Pick<Deaths, 'has' | 'isDead'>;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Somebody is to be called again. */
  readonly onDue: () => void;
}

/** Devices that this node has called away from others, and calls again as long as those may draw them back. */
export class CalledDevices {
  readonly #options: CalledDevicesOptions;
  readonly #insisting = new Insisting();
  #cancel: () => void = () => undefined;
  #isDue = false;

  constructor(options: CalledDevicesOptions) {
    this.#options = options;
  }

  /** Takes in who was called now, and away from which node. */
  called(calls: readonly DueCall[], from: string): void {
    this.#insisting.called(calls, from, this.#options.clock.monotonic());
    this.#arm();
  }

  /** The node that let these go, and away from which they were called, is dead. */
  died(calls: readonly DueCall[], from: string): void {
    this.#insisting.died(calls, from, this.#options.clock.monotonic());
    this.#arm();
  }

  /** A node from which devices were called away is back. */
  returned(node: string): void {
    this.#insisting.returned(node, this.#options.clock.monotonic());
    this.#arm();
  }

  /** A node has let these go. */
  letGo(node: string, peers: Iterable<ObjectKey>): void {
    this.#insisting.letGo(node, peers, this.#options.clock.monotonic());
    this.#arm();
  }

  /** Calls these no more. */
  drop(peers: Iterable<ObjectKey>): void {
    this.#insisting.drop(peers);
    this.#arm();
  }

  /** Calls who is to be called again by now; where that fails, they are taken to have been called just now, and so called again soon. */
  async act(): Promise<void> {
    if (!this.#isDue) return;
    this.#isDue = false;
    const { clock, sync, deaths } = this.#options;
    const again = this.#insisting.take(clock.monotonic(), (called) => this.#pullOn(called));
    this.#insisting.forget((node) => deaths.has(node));
    this.#arm();
    try {
      const late = again.filter(({ isLate }) => isLate).map(({ call }) => call);
      if (late.length > 0) await sync.seePeers();
      const lost = new Set(notCome(late, sync, clock.now()));
      const calls = again.flatMap(({ call }) => callsTo(call, sync, lost.has(call) ? call.endpoint : undefined));
      await sync.callPeers(calls);
    } catch (error) {
      for (const { call, from } of again) this.called([call], from);
      throw error;
    }
  }

  /** Whoever has gone to yet another node, or has shaken hands with its former one since, is where it wants to be. */
  #pullOn({ call, from }: CalledAway): Pull {
    const { node: self, sync, connections, deaths } = this.#options;
    if (sync.gateway?.spec.takeover.enabled !== true) return 'none';
    const sessions = connections.of(call.peer);
    const elsewhere = sessions.filter(({ node }) => node !== self && node !== from);
    if (elsewhere.some(({ node }) => !deaths.isDead(node))) return 'none';
    const there = sessions.filter(({ node }) => node === from);
    const here = sync.table.keysOf(call.peer).map((key) => (sync.observedPeers.get(key)?.latestHandshake ?? 0) * 1_000);
    // A report may tell a handshake from before the call only now.
    const isOld = (handshake: string) =>
      handshake === call.lastHandshake || milliseconds(handshake) <= Math.max(...here);
    if (deaths.has(from) || there.some(({ lastHandshake }) => isOld(lastHandshake))) return 'draws';
    return there.length === 0 ? 'let-go' : 'none';
  }

  #arm(): void {
    const { clock, timers, onDue } = this.#options;
    this.#cancel();
    const { next } = this.#insisting;
    if (next === undefined) return;
    this.#cancel = timers.later(Math.max(0, next - clock.monotonic()), () => {
      this.#isDue = true;
      onDue();
    });
  }
}

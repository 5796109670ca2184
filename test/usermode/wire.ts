import { parseMessage } from '../../src/usermode/messages.ts';
import { nextTick, type SessionEvent, step } from '../../src/usermode/session.ts';
import type { Session, SessionEffect } from '../../src/usermode/session-state.ts';
import { at, identities, seeded, sessionOf } from './builders.ts';

export type Side = 'laptop' | 'gateway';
const other = { laptop: 'gateway', gateway: 'laptop' } as const;

/** Two sessions, the wire between them, and a clock that moves only when told. */
export class Wire {
  now = 0;
  sessions: Record<Side, Session>;
  readonly effects: Record<Side, SessionEffect[]> = { laptop: [], gateway: [] };
  /** Datagrams under way; `passes` decides which arrive. */
  sent: { readonly from: Side; readonly datagram: Uint8Array }[] = [];
  passes: (from: Side, datagram: Uint8Array) => boolean = () => true;
  readonly kinds: string[] = [];

  constructor(keepaliveMs?: number) {
    const { laptop, gateway } = identities(seeded('psk')(32));
    this.sessions = { laptop: sessionOf(laptop, keepaliveMs), gateway: sessionOf(gateway) };
  }

  /** An event on one side, and all that follows from it at once. */
  tell(side: Side, event: SessionEvent): void {
    this.only(side, event);
    for (let next = this.sent.shift(); next !== undefined; next = this.sent.shift())
      if (this.passes(next.from, next.datagram))
        this.only(other[next.from], { kind: 'datagram', datagram: next.datagram });
  }

  /** An event on one side; what it sends stays on the wire. */
  only(side: Side, event: SessionEvent): void {
    const next = step(this.sessions[side], event, at(this.now));
    this.sessions[side] = next.session;
    for (const effect of next.effects) {
      this.effects[side].push(effect);
      if (effect.kind !== 'send') continue;
      const message = parseMessage(effect.datagram);
      this.kinds.push(`${side} ${message.ok ? describeKind(message.value.kind, effect.datagram.length) : '?'}`);
      this.sent.push({ from: side, datagram: effect.datagram });
    }
  }

  /** Takes any one of the datagrams under way, and delivers it as often as told: not at all, once, or twice. */
  deliverOne(choice: number, times: number): void {
    const [picked] = this.sent.splice(choice % Math.max(1, this.sent.length), 1);
    for (let copy = 0; copy < times && picked !== undefined; copy++)
      this.only(other[picked.from], { kind: 'datagram', datagram: picked.datagram });
  }

  /** Lets time pass, with every tick that the sessions ask for. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let due = this.due(); due !== undefined && due.time <= end; due = this.due()) {
      this.now = Math.max(this.now, due.time);
      this.tell(due.side, { kind: 'tick' });
    }
    this.now = end;
  }

  /** The numbers of the packets that one side received. */
  received(side: Side): readonly number[] {
    return this.effects[side].flatMap((effect) =>
      effect.kind === 'receive' ? [new DataView(effect.packet.slice().buffer).getUint32(24)] : [],
    );
  }

  count(side: Side, kind: SessionEffect['kind']): number {
    return this.effects[side].filter((effect) => effect.kind === kind).length;
  }

  private due(): { readonly side: Side; readonly time: number } | undefined {
    const times = (['laptop', 'gateway'] as const).flatMap((side) => {
      const time = nextTick(this.sessions[side]);
      return time === undefined ? [] : [{ side, time }];
    });
    return times.sort((one, two) => one.time - two.time)[0];
  }
}

function describeKind(kind: string, length: number): string {
  return kind === 'transport' && length === 32 ? 'keepalive' : kind;
}

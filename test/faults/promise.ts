import { type Gap, gapsText } from '../bench/loss/gaps.ts';

/** The load that runs while something goes wrong. */
export const PACKETS_PER_SECOND = 1_000;
/** A new connection every 20 ms (../bench/laptop/dials.ts). */
export const REQUESTS_PER_SECOND = 50;
/** What has no answer after this is lost, or has failed. */
export const PATIENCE_S = 5;

/** The most that whoever uses the mesh may notice of a fault. No fault may lose any state. */
export interface Promised {
  /** Datagrams without an echo. */
  readonly packets: number;
  /** New HTTP connections whose request has no answer. */
  readonly requests: number;
  /** Whether the connection that is open all the time may end. */
  readonly connection: 'goes on' | 'may end';
  /** Until all is as it was: from the fault on where it mends itself, else from its end. */
  readonly seconds: number;
}

/** What was noticed of a fault. */
export interface Seen {
  readonly packets: {
    readonly sent: number;
    readonly lost: number;
    /** When it began, in milliseconds since 1970, and when those were sent that are lost. */
    readonly since: number;
    readonly gaps: readonly Gap[];
  };
  readonly requests: { readonly begun: number; readonly failed: number };
  readonly seconds: number;
  /** Why the connection that was open all the time has ended; undefined while it has not. */
  readonly streamEnded: string | undefined;
  /** What is not as it was, a line each. */
  readonly lost: readonly string[];
}

/** Nobody who uses the mesh notices anything, and all is as it was after so many seconds. */
export function unnoticed(seconds: number): Promised {
  return { packets: 0, requests: 0, connection: 'goes on', seconds };
}

/** Nothing may get through for so long; what was asked in that time, and nothing else, may have no answer. */
export function interrupted(forSeconds: number, seconds: number = forSeconds): Promised {
  const [packets, requests] = [forSeconds * PACKETS_PER_SECOND, forSeconds * REQUESTS_PER_SECOND];
  return { packets, requests, connection: 'goes on', seconds };
}

/** The same, and another node may have called the device meanwhile, which knows nothing of its open connections. */
export function calledAway(forSeconds: number, seconds: number): Promised {
  return { ...interrupted(forSeconds, seconds), connection: 'may end' };
}

/** So many requests, on connections that the former node has accepted, may wait for their answers when a device goes. */
const IN_FLIGHT = 5;

/** Another node calls the device while the one that it goes from still forwards: of connections, those end that are open then. */
export function letGo(packets: number, seconds: number): Promised {
  return { packets, requests: IN_FLIGHT, connection: 'may end', seconds };
}

/** In what a promise was not kept, a sentence each. */
export function broken(promised: Promised, { packets, requests, seconds, streamEnded, lost }: Seen): readonly string[] {
  const most = (what: string, seen: number, allowed: number, when: string = '') =>
    seen > allowed ? [`${count(seen)} ${what}, and at most ${count(allowed)} were promised${when}`] : [];
  return [
    ...(packets.sent === 0 ? ['no packet was sent: this says nothing'] : []),
    ...(requests.begun === 0 ? ['no request was begun: this says nothing'] : []),
    ...most('packets were lost', packets.lost, promised.packets, `: ${gapsText(packets.gaps, packets.since)}`),
    ...most('requests failed', requests.failed, promised.requests),
    ...(seconds > promised.seconds
      ? [`all was as before after ${seconds.toFixed(1)} s, and ${promised.seconds} s were promised`]
      : []),
    ...(streamEnded === undefined || promised.connection === 'may end'
      ? []
      : [`the open connection ended: ${streamEnded}`]),
    ...lost.map((line) => `not as it was: ${line}`),
  ];
}

/** A promise in words. */
export function promiseText({ packets, requests, connection, seconds }: Promised): string {
  const lost = packets === 0 ? 'no packet lost' : `at most ${count(packets)} packets lost`;
  const some = packets === 0 ? 'at most ' : '';
  const failed = requests === 0 ? 'no request failed' : `${some}${count(requests)} requests failed`;
  const ended = connection === 'may end' ? ', the open connection ended' : '';
  return `${lost}, ${failed}${ended}; as before within ${seconds} s`;
}

/** What was seen, in words. */
export function seenText({ packets, requests, streamEnded, seconds }: Seen): string {
  const of = (part: number, whole: number) => `${count(part)} of ${count(whole)}`;
  const ended = streamEnded === undefined ? '' : ', the open connection';
  return `${of(packets.lost, packets.sent)} packets, ${of(requests.failed, requests.begun)} requests${ended}; ${seconds.toFixed(1)} s`;
}

function count(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',');
}

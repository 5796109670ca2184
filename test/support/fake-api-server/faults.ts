import type { Json } from './json.ts';

/** What the server does instead of answering as it should. */
export type FaultAction =
  | { readonly kind: 'refuse'; readonly code: number; readonly reason?: string; readonly retryAfterSeconds?: number }
  /** Takes the request and never answers. */
  | { readonly kind: 'stall' }
  /** Closes the connection without an answer. */
  | { readonly kind: 'cut' }
  /** Answers with this text, and 200 unless it says else. */
  | { readonly kind: 'answer'; readonly text: string; readonly code?: number }
  /** Waits before it answers as it should. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** A watch begins, sends this ERROR object and ends. */
  | { readonly kind: 'error-in-stream'; readonly object: Json }
  /** A watch sends so many lines as it should; then it is ended, cut, cut inside a line, or silent for ever. */
  | { readonly kind: 'after-lines'; readonly lines: number; readonly end: WatchEnd }
  /** A watch sends so many lines as it should, then this text, and goes on. */
  | { readonly kind: 'insert'; readonly afterLines: number; readonly text: string };

export type WatchEnd = 'end' | 'cut' | 'truncate' | 'stall';

/** Which requests are struck, how often, and by what. */
export interface Fault {
  readonly method?: string;
  /** Found anywhere in the path. */
  readonly path?: string;
  /** The whole of what is asked for. */
  readonly fieldSelector?: string;
  /** Only watches, only those that list first, only the others, only what is no watch, or of that what reads more than one object. */
  readonly when?: 'watch' | 'streaming-list' | 'resume' | 'plain' | 'list';
  /** How many requests are struck; all when absent. */
  readonly times?: number;
  readonly action: FaultAction;
}

export interface FaultSubject {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** The faults that are switched on. The first that matches strikes. */
export class Faults {
  #active: { readonly fault: Fault; left: number }[] = [];

  add(fault: Fault): void {
    this.#active.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#active = [];
  }

  strike(subject: FaultSubject): FaultAction | undefined {
    const found = this.#active.find(({ fault, left }) => left > 0 && matches(fault, subject));
    if (found === undefined) return undefined;
    found.left -= 1;
    return found.fault.action;
  }
}

function matches(fault: Fault, { method, path, query }: FaultSubject): boolean {
  const watching = query.get('watch') === 'true';
  const streaming = query.get('sendInitialEvents') === 'true';
  if (fault.method !== undefined && fault.method !== method) return false;
  if (fault.path !== undefined && !path.includes(fault.path)) return false;
  if (fault.fieldSelector !== undefined && fault.fieldSelector !== query.get('fieldSelector')) return false;
  switch (fault.when) {
    case 'watch':
      return watching;
    case 'streaming-list':
      return watching && streaming;
    case 'resume':
      return watching && !streaming;
    case 'plain':
      return !watching;
    case 'list':
      return !watching && query.get('limit') !== '1';
    default:
      return true;
  }
}

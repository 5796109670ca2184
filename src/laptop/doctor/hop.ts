import type { Findings } from './findings.ts';

/** What was found at a hop: `why` is one sentence; `mend` the command that mends it, or what somebody else has to do. */
export type Judgement =
  | { readonly status: 'ok'; readonly why: string }
  | { readonly status: 'broken'; readonly why: string; readonly mend: string }
  /** It could not be seen. */
  | { readonly status: 'unknown'; readonly why: string }
  /** It was not looked at. */
  | { readonly status: 'skipped'; readonly why: string };

/** A question that is asked on the way from this device to a Service, in the order of the way. */
export interface HopKind {
  readonly name: string;
  judge(findings: Findings): Judgement;
}

export function ok(why: string): Judgement {
  return { status: 'ok', why };
}

export function broken(why: string, mend: string): Judgement {
  return { status: 'broken', why, mend };
}

export function unknown(why: string): Judgement {
  return { status: 'unknown', why };
}

/** Not looked at, because something before it is broken: which, the diagnosis says. */
export const NOT_REACHED: Judgement = { status: 'skipped', why: '' };

export function skipped(why: string): Judgement {
  return { status: 'skipped', why };
}

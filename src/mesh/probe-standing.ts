import type { ProbeVerdict } from './node-status.ts';

/** What a node says of its Services, and whether the last probe disagreed. */
export interface ProbeStanding {
  readonly told: ProbeVerdict | undefined;
  /** The last probe failed and nothing before it did: another one decides. */
  readonly doubted: boolean;
}

export const NOT_PROBED: ProbeStanding = { told: undefined, doubted: false };

/**
 * The standing after another probe. A success counts at once; a failure only when the probe before it failed too, so that a
 * DNS pod that is being replaced, or a probe that raced the interface, is no outage.
 */
export function heard(standing: ProbeStanding, verdict: ProbeVerdict): ProbeStanding {
  const isDoubt = isFailure(verdict) && !standing.doubted && !isFailure(standing.told);
  return isDoubt ? { told: standing.told, doubted: true } : { told: verdict, doubted: false };
}

/** Whether a node reaches Services, by its last probe; undefined where none was sent. */
export function reachesServices(verdict: ProbeVerdict | undefined): boolean | undefined {
  return verdict === undefined || verdict.reason === 'NotProbed' ? undefined : !isFailure(verdict);
}

/** Whether a probe has failed; one that was not sent has not. */
export function isFailure(verdict: ProbeVerdict | undefined): boolean {
  return verdict !== undefined && verdict.reason !== 'ProbeSucceeded' && verdict.reason !== 'NotProbed';
}

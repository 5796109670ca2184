import { isInZone } from './split-names.ts';

/** What came of a name outside of the cluster that has no addresses there. */
export interface Unknown {
  /** Whether at least its last label is one that exists, as `com` does. */
  readonly hasTopLevel: boolean;
}

/** What the longest name of a Service has before `svc.DOMAIN`: a pod or host, the Service, its namespace. */
const MOST_LABELS = 3;

/**
 * Whether a name of the cluster is in truth an ordinary one to which the C library appended our search list, as it does with every
 * name that nobody knew: `www.exampl.com.team-a.svc.cluster.local`. Such a name has no business in the cluster. What may be meant there
 * passes: a single label (`api`), and `api.team-a` unless it ends in a top-level domain of the internet.
 */
export function isStrayName(
  labels: readonly string[],
  search: readonly string[],
  unknown: (name: string) => Unknown | undefined,
): boolean {
  const lower = labels.map((label) => label.toLowerCase());
  return search.some((suffix) => {
    const rest = lower.slice(0, lower.length - suffix.split('.').length);
    if (rest.length < 2 || !isInZone(lower, suffix)) return false;
    const isOfServices = suffix.startsWith('svc.');
    // Ports are names too: _http._tcp.api.team-a.svc.cluster.local.
    if (isOfServices && rest.length > MOST_LABELS && rest[0]?.startsWith('_') !== true) return true;
    const before = unknown(rest.join('.'));
    if (before === undefined) return false;
    return !isOfServices || rest.length > 2 || before.hasTopLevel;
  });
}

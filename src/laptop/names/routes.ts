import { isInZone, type SplitNames } from './split-names.ts';

/** Where a forwarder asks. */
export interface Routes {
  /** One for each tunnel that is up, the oldest first. */
  readonly clusters: readonly SplitNames[];
  /** The servers that were asked before, most preferred first. */
  readonly former: readonly string[];
}

/** Which servers are asked, and whether they are those of clusters. */
export interface Way {
  readonly isCluster: boolean;
  /** In order; each is asked only where those before it know no such name. */
  readonly groups: readonly (readonly string[])[];
}

/**
 * The servers to ask for a name. What no cluster claims goes to the former servers alone, and what one claims never does. Of several clusters the closer zone counts more.
 */
export function serversFor(labels: readonly string[], { clusters, former }: Routes): Way {
  const lower = labels.map((label) => label.toLowerCase());
  const claims = clusters.flatMap(({ servers, zones, everything }) => {
    const lengths = zones.filter((zone) => isInZone(lower, zone)).map((zone) => zone.length);
    if (lengths.length === 0 && !everything) return [];
    return [{ servers, closeness: Math.max(0, ...lengths) }];
  });
  if (claims.length === 0) return { isCluster: false, groups: [former] };
  claims.sort((one, other) => other.closeness - one.closeness);
  return { isCluster: true, groups: claims.map(({ servers }) => servers) };
}

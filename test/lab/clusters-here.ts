import type { Cluster } from './running-cluster.ts';

/** The clusters that this process has started and not stopped: where to look when a test fails. */
export const clustersHere = new Set<Cluster>();

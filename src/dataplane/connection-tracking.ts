/** What one address has in a node's connection tracking. */
export interface TrackedSource {
  readonly entries: number;
  /** Without those of TCP connections that have been closed, which the kernel remembers for up to two minutes. */
  readonly open: number;
  /** TCP connections that are established and not being closed. */
  readonly established: number;
}

/** How full a node's connection tracking is: one reading of nf_conntrack_count and nf_conntrack_max. */
export interface ConnectionTracking {
  readonly entries: number;
  /** 0 where there is no limit. */
  readonly most: number;
}

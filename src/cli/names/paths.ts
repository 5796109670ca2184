/** Where names are found and kept; another root than / in tests. */
export interface NamePaths {
  /** /etc */
  readonly etc: string;
  /** /run; empty after a start of the machine. */
  readonly run: string;
}

/** The paths of this machine. */
export const SYSTEM_PATHS: NamePaths = { etc: '/etc', run: '/run' };

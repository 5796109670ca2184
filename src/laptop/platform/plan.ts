/** What is done to a machine whose tunnel its own programs hold, in order. Running it again is no error. */
export type PlatformStep =
  /** A file that its owner alone may read where it is secret. */
  | { readonly kind: 'write'; readonly path: string; readonly text: string; readonly secret: boolean }
  | { readonly kind: 'delete'; readonly path: string }
  /** `lenient`: that it fails is fine, as when there is nothing to take away. */
  | { readonly kind: 'run'; readonly argv: readonly string[]; readonly lenient?: true };

/** What is needed to bring a profile up or down. */
export interface PlatformTunnel {
  readonly profile: string;
  readonly device: string;
  /** The wg-quick file with its keys; unless the tunnel is a full one, without its DNS line, which would send all names into the cluster. */
  readonly text: string;
}

/** A wg-quick file without its DNS line. */
export function withoutDns(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('DNS = '))
    .join('\n');
}

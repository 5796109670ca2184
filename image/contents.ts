import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One program that must be on the image's PATH. */
export interface ImageExecutable {
  readonly name: string;
  /** The Debian package that brings it; null for what the base image has. */
  readonly package: string | null;
  readonly why: string;
  /** With these arguments it says its version and ends: what shows that nothing it needs is missing. */
  readonly version: readonly string[];
}

/** A file of this repository and its place in the image. */
export interface ImageFile {
  /** Relative to the repository's root. */
  readonly source: string;
  readonly target: string;
}

/** All that the image is made from; `entries.ts` adds what the programs cannot be without. */
export interface ImageContents {
  readonly packages: readonly string[];
  readonly executables: readonly ImageExecutable[];
  readonly files: readonly ImageFile[];
  /** Links that the programs rely on: wireguard-go opens its sockets below /var/run. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** UID:GID unless the pod says otherwise. */
  readonly user: string;
}

/** What a container of the image runs unless the pod says otherwise, which it always does. */
export const IMAGE_COMMAND = ['node', '/app/operator.mjs', 'run'] as const;

export const IMAGE_ENVIRONMENT = { PATH: '/usr/bin', NODE_ENV: 'production' } as const;

/** The contents of the image. Needs nothing but Node: the Dockerfile reads it where no packages of npm are. */
export function imageContents(): ImageContents {
  return {
    packages: readFileSync(join(import.meta.dirname, 'packages.txt'), 'utf8')
      .split('\n')
      .filter(Boolean),
    executables: EXECUTABLES,
    files: [
      { source: 'dist/operator.mjs', target: '/app/operator.mjs' },
      { source: 'dist/agent.mjs', target: '/app/agent.mjs' },
      { source: 'image/passwd', target: '/etc/passwd' },
      { source: 'image/group', target: '/etc/group' },
    ],
    links: [{ path: '/var/run', target: '/run' }],
    user: '65532:65532',
  };
}

const EXECUTABLES: readonly ImageExecutable[] = [
  { name: 'node', package: null, why: 'runs the bundles', version: ['--version'] },
  { name: 'ip', package: 'iproute2', why: 'links, addresses and routes', version: ['-V'] },
  { name: 'nft', package: 'nftables', why: "the gateway's private table", version: ['--version'] },
  {
    name: 'wg',
    package: 'wireguard-tools',
    why: 'keys, peers and handshakes of the interface',
    version: ['--version'],
  },
  {
    name: 'wireguard-go',
    package: 'wireguard-go',
    why: 'WireGuard on nodes whose kernel has none',
    version: ['--version'],
  },
  {
    name: 'conntrack',
    package: 'conntrack',
    why: 'ends the established flows of a device that was removed',
    version: ['--version'],
  },
];

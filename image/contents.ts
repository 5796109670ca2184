import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** One program that must be on the image's PATH. */
export interface ImageExecutable {
  readonly name: string;
  /** The Debian package that brings it; null for what the base image has. */
  readonly package: string | null;
  readonly why: string;
}

/** A file of this repository and its place in the image. */
export interface ImageFile {
  /** Relative to the repository's root. */
  readonly source: string;
  readonly target: string;
}

/** All that is in the image besides its base: the Dockerfile and every other way to make the image follow this. */
export interface ImageContents {
  readonly packages: readonly string[];
  readonly executables: readonly ImageExecutable[];
  readonly files: readonly ImageFile[];
  /** Links that the programs rely on: wireguard-go opens its sockets below /var/run. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** UID:GID unless the pod says otherwise. */
  readonly user: string;
}

/** The contents of the image, read from the lists beside this file. */
export function imageContents(): ImageContents {
  return {
    packages: readFileSync(join(import.meta.dirname, 'packages.txt'), 'utf8')
      .split('\n')
      .filter(Boolean),
    executables: executablesSchema.parse(
      JSON.parse(readFileSync(join(import.meta.dirname, 'executables.json'), 'utf8')),
    ),
    files: [
      { source: 'dist/operator.mjs', target: '/app/operator.mjs' },
      { source: 'dist/agent.mjs', target: '/app/agent.mjs' },
    ],
    links: [{ path: '/var/run', target: '/run' }],
    user: '65532:65532',
  };
}

const executablesSchema = z
  .array(z.strictObject({ name: z.string().min(1), package: z.string().min(1).nullable(), why: z.string().min(1) }))
  .readonly();

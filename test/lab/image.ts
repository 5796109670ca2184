import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { programEntries } from '../../image/entries.ts';
import { cacheDirectory } from './binaries.ts';
import { type TarEntry, writeTar } from './tar.ts';

const OUTDATED_MS = 15 * 60_000;

/** What one layer of an image holds. Equal layers of different images are stored once on a node. */
export interface ImageLayer {
  /** Programs of this machine, each with the shared libraries it needs: [file here, path in the image]. */
  readonly executables?: readonly (readonly [from: string, to: string])[];
  readonly entries?: readonly TarEntry[];
}

/** An image made of files of this machine. */
export interface ImageSpec {
  /** Complete with a registry part and a tag other than latest, so that a kubelet never tries to pull it. */
  readonly name: string;
  readonly layers: readonly ImageLayer[];
  readonly entrypoint: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** UID or UID:GID. */
  readonly user?: string;
}

/**
 * Makes an OCI image archive in the cache, or finds it there, and returns its file. Layers are not compressed: the
 * archive never leaves the machine.
 */
export async function imageArchive(spec: ImageSpec): Promise<string> {
  const layers = await Promise.all(spec.layers.map(layerEntries));
  const folder = join(cacheDirectory(), 'images');
  const stem = spec.name.replaceAll(/[^a-zA-Z0-9.-]/g, '-');
  const target = join(folder, `${stem}-${await archiveKey(spec, layers)}.tar`);
  if (existsSync(target)) {
    const now = new Date();
    await utimes(target, now, now);
    return target;
  }
  const unfinished = `${target}.${process.pid}.${performance.now()}`;
  await mkdir(unfinished, { recursive: true });
  try {
    const blobs = await Promise.all(
      layers.map((entries, index) => layerBlob(entries, join(unfinished, `layer-${index}`))),
    );
    await writeTar(join(unfinished, 'image.tar'), archiveEntries(spec, blobs));
    await rename(join(unfinished, 'image.tar'), target);
    await removeOutdated(folder, stem, target);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return target;
}

/** Removes what is left of earlier contents of an image, once nobody can be about to read it. */
async function removeOutdated(folder: string, stem: string, current: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    if (file === current || !/^-[0-9a-f]{16}\.tar/.test(name.slice(stem.length)) || !name.startsWith(stem)) continue;
    const found = await stat(file).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > OUTDATED_MS) await rm(file, { recursive: true, force: true });
  }
}

async function layerEntries({ executables = [], entries = [] }: ImageLayer): Promise<readonly TarEntry[]> {
  const byPath = new Map<string, TarEntry>();
  for (const [from, to] of executables)
    for (const entry of await programEntries(from, to)) byPath.set(entry.path, entry);
  for (const entry of entries) byPath.set(entry.path, entry);
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Changes whenever a file that goes in was touched. */
async function archiveKey(spec: ImageSpec, layers: readonly (readonly TarEntry[])[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([spec, layers]));
  for (const entry of layers.flat()) {
    if (!('file' in entry)) continue;
    const { size, mtimeMs } = await stat(entry.file);
    hash.update(`${entry.path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

interface Blob {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
  readonly source: { readonly file: string } | { readonly content: string };
}

async function layerBlob(entries: readonly TarEntry[], file: string): Promise<Blob> {
  const hash = createHash('sha256');
  const size = await writeTar(file, entries, hash);
  return { digest: hash.digest('hex'), size, mediaType: 'application/vnd.oci.image.layer.v1.tar', source: { file } };
}

function jsonBlob(mediaType: string, value: object): Blob {
  const content = JSON.stringify(value);
  const digest = createHash('sha256').update(content).digest('hex');
  return { digest, size: Buffer.byteLength(content), mediaType, source: { content } };
}

function descriptor({ digest, size, mediaType }: Blob): object {
  return { mediaType, digest: `sha256:${digest}`, size };
}

/** The layout of the OCI image specification, image-layout.md. */
function archiveEntries(spec: ImageSpec, layers: readonly Blob[]): readonly TarEntry[] {
  const config = jsonBlob('application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Entrypoint: spec.entrypoint,
      Env: Object.entries({ PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...spec.env }).map((pair) => pair.join('=')),
      ...(spec.user ? { User: spec.user } : {}),
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
  });
  const manifest = jsonBlob('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  const annotations = { 'io.containerd.image.name': spec.name, 'org.opencontainers.image.ref.name': spec.name };
  const index = { schemaVersion: 2, manifests: [{ ...descriptor(manifest), annotations }] };
  return [
    { path: 'oci-layout', content: JSON.stringify({ imageLayoutVersion: '1.0.0' }) },
    { path: 'index.json', content: JSON.stringify(index) },
    ...[manifest, config, ...layers].map(({ digest, source }) => ({ path: `blobs/sha256/${digest}`, ...source })),
  ];
}

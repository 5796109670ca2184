import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGzip } from 'node:zlib';
import { buildProgram, PROGRAMS, type Program } from '../../scripts/build.ts';
import { labTools } from '../lab/binaries.ts';
import { sallyportImage } from '../lab/sallyport-image.ts';
import { type Group, type Report, row } from './row.ts';

const NAMES = Object.keys(PROGRAMS) as readonly Program[];

/** What has to be pulled and loaded. */
export const sizeGroup: Group = {
  name: 'size',
  rows: [...NAMES.map((name) => `bundle_kb_${name}`), 'image_mb', 'image_unpacked_mb'],
  async measure(report, isWanted) {
    if (NAMES.some((name) => isWanted(`bundle_kb_${name}`))) await bundles(report);
    if (['image_mb', 'image_unpacked_mb'].some(isWanted)) await image(report);
  },
};

async function bundles(report: Report): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  try {
    for (const program of NAMES) {
      const { file, bytes } = await buildProgram(program, folder);
      const value = bytes / 1000;
      const packed = Math.round((await packedBytes(file)) / 1000);
      const says = `one file with all its dependencies; ${packed} kB packed by gzip`;
      report(row({ name: `bundle_kb_${program}`, unit: 'kB', value, n: 1, says }));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function image(report: Report): Promise<void> {
  const archive = await sallyportImage(await labTools());
  const contents =
    "the lab's image: Node.js, iproute2, nftables, wireguard-tools, wireguard-go, conntrack with their libraries, and both programs";
  const common = { unit: 'MB', n: 1 };
  report(
    row({
      ...common,
      name: 'image_mb',
      value: (await packedBytes(archive)) / 1e6,
      floor: (await packedBytes(process.execPath)) / 1e6,
      says: `${contents}, packed by gzip as a registry holds it; floor: the Node.js executable alone, packed alike`,
    }),
  );
  report(
    row({
      ...common,
      name: 'image_unpacked_mb',
      value: (await stat(archive)).size / 1e6,
      floor: (await stat(process.execPath)).size / 1e6,
      says: 'the same on a node; floor: the Node.js executable alone',
    }),
  );
}

async function packedBytes(file: string): Promise<number> {
  let bytes = 0;
  for await (const chunk of createReadStream(file).pipe(createGzip())) bytes += (chunk as Buffer).length;
  return bytes;
}

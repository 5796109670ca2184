import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildProgram, PROGRAMS, type Program } from '../../scripts/build.ts';
import { labTools } from '../lab/binaries.ts';
import { sallyportImage } from '../lab/sallyport-image.ts';
import { type Group, row } from './row.ts';

/** What has to be pulled and loaded. */
export const sizeGroup: Group = {
  name: 'size',
  rows: ['bundle_kb', 'image_mb'],
  async measure(report) {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
    try {
      for (const program of Object.keys(PROGRAMS) as readonly Program[]) {
        const { bytes } = await buildProgram(program, folder);
        report(
          row({
            name: `bundle_kb_${program}`,
            unit: 'kB',
            value: bytes / 1000,
            n: 1,
            says: 'one file with all dependencies',
          }),
        );
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    const { size } = await stat(await sallyportImage(await labTools()));
    const node = await stat(process.execPath);
    const says =
      "the lab's image, compressed: Node.js, iproute2, nftables, wireguard-tools, wireguard-go, conntrack and both programs; floor: the Node.js executable alone, uncompressed";
    report(row({ name: 'image_mb', unit: 'MB', value: size / 1e6, floor: node.size / 1e6, n: 1, says }));
  },
};

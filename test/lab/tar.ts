import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';

/** One entry of an archive. Owner, group and times are always 0, so equal entries make equal archives. */
export type TarEntry = { readonly path: string; readonly mode?: number } & (
  | { readonly content: string | Buffer }
  | { readonly file: string }
  | { readonly link: string }
  | { readonly directory: true }
);

/** Writes an archive (POSIX ustar) and feeds its bytes to `hash` if given. Returns its size in bytes. */
export async function writeTar(target: string, entries: readonly TarEntry[], hash?: Hash): Promise<number> {
  const out = await open(target, 'w');
  try {
    let size = 0;
    for await (const chunk of tarChunks(entries)) {
      hash?.update(chunk);
      size += chunk.length;
      await writeAll(out, chunk);
    }
    return size;
  } finally {
    await out.close();
  }
}

const BLOCK = 512;

async function* tarChunks(entries: readonly TarEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const size = await contentSize(entry);
    yield header(entry, size);
    if ('file' in entry) yield* createReadStream(entry.file, { highWaterMark: 1 << 20 });
    else if ('content' in entry) yield Buffer.from(entry.content);
    if (size % BLOCK !== 0) yield Buffer.alloc(BLOCK - (size % BLOCK));
  }
  yield Buffer.alloc(2 * BLOCK);
}

async function contentSize(entry: TarEntry): Promise<number> {
  if ('file' in entry) return (await stat(entry.file)).size;
  return 'content' in entry ? Buffer.byteLength(entry.content) : 0;
}

/** A ustar header, POSIX.1-1988 section 10.1.1. */
function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const isDirectory = 'directory' in entry;
  const link = 'link' in entry ? entry.link : '';
  const path = entry.path.replace(/^\/+/, '') + (isDirectory ? '/' : '');
  if (Buffer.byteLength(path) > 100 || Buffer.byteLength(link) > 100)
    throw new Error(`too long for a tar header: ${path}`);
  const octal = (value: number, offset: number, width: number) =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset, 'latin1');
  block.write(path, 0);
  octal(entry.mode ?? (isDirectory ? 0o755 : 0o644), 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write(isDirectory ? '5' : link === '' ? '0' : '2', 156);
  block.write(link, 157);
  block.write('ustar\x0000', 257, 'latin1');
  block.fill(' ', 148, 156);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}

async function writeAll(out: FileHandle, chunk: Buffer): Promise<void> {
  let written = 0;
  while (written < chunk.length) written += (await out.write(chunk, written)).bytesWritten;
}

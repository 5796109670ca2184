/**
 * What travels on one connection between a command's caller and the machine it runs on: frames of a letter, the length of
 * what follows as 32 bits in network order, and that many bytes.
 *
 *   caller    r  the request, JSON, first        i  standard input        e  the end of standard input
 *   machine   o  standard output   x  standard error   c  the exit code, decimal, last   f  why it could not be started, last
 */
export type FrameType = 'r' | 'i' | 'e' | 'o' | 'x' | 'c' | 'f';

export interface Frame {
  readonly type: FrameType;
  readonly payload: Buffer;
}

/** The command of a request. */
export interface Request {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const HEADER_BYTES = 5;

/** The bytes of a frame. */
export function frame(type: FrameType, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(type, 'latin1');
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

/** Puts frames together again from bytes that come in pieces of any size. */
export class FrameReader {
  #rest = Buffer.alloc(0);

  /** The frames that are complete now. */
  push(chunk: Buffer): readonly Frame[] {
    let rest = Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    while (rest.length >= HEADER_BYTES && rest.length >= HEADER_BYTES + rest.readUInt32BE(1)) {
      const end = HEADER_BYTES + rest.readUInt32BE(1);
      frames.push({ type: rest.toString('latin1', 0, 1) as FrameType, payload: rest.subarray(HEADER_BYTES, end) });
      rest = rest.subarray(end);
    }
    this.#rest = rest;
    return frames;
  }
}

/** No object of an API server is larger than etcd's request limit; a line beyond this is not a watch event. */
export const MAX_LINE_BYTES = 32 * 1024 * 1024;

const NEWLINE = 0x0a;

/** A line of a stream grew beyond the bound. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

/**
 * Cuts a byte stream into lines. Chunks may end anywhere, also inside a character: bytes are joined
 * before they are decoded. What follows the last newline is not a line (see `rest`).
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #limit: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(onLine: (line: string) => void, limit: number = MAX_LINE_BYTES) {
    this.#onLine = onLine;
    this.#limit = limit;
  }

  /** @throws {LineTooLong} when a line without end exceeds the bound. */
  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#emit(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** How many bytes of an unfinished line are held: more than 0 at the end of a stream means it was cut. */
  get rest(): number {
    return this.#pendingBytes;
  }

  #emit(tail: Buffer): void {
    const line = this.#pending.length === 0 ? tail : Buffer.concat([...this.#pending, tail]);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (line.length > this.#limit) throw new LineTooLong(`a line of ${line.length} bytes`);
    if (line.length > 0) this.#onLine(line.toString('utf8'));
  }

  #keep(piece: Buffer): void {
    this.#pendingBytes += piece.length;
    if (this.#pendingBytes > this.#limit) throw new LineTooLong(`a line of more than ${this.#limit} bytes`);
    this.#pending.push(piece);
  }
}

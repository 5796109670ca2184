/** DNS messages of a stream, each behind its length in two bytes (RFC 1035, section 4.2.2). */
export class TcpMessages {
  readonly #onMessage: (message: Uint8Array) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onMessage: (message: Uint8Array) => void) {
    this.#onMessage = onMessage;
  }

  /** Takes what came, and tells each message once it is whole. Holds less than one message and what came last. */
  push(bytes: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 2) {
      const end = 2 + this.#rest.readUInt16BE(0);
      if (this.#rest.length < end) return;
      const message = Uint8Array.from(this.#rest.subarray(2, end));
      this.#rest = this.#rest.subarray(end);
      this.#onMessage(message);
    }
  }
}

/** A message as a stream carries it. */
export function framed(message: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(message.length >> 8, message.length & 0xff), message]);
}

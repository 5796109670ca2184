import type { ServerResponse } from 'node:http';
import type { FaultAction, WatchEnd } from './faults.ts';
import type { Json } from './json.ts';

/** One open watch, as seen from the server. */
export class WatchStream {
  readonly #response: ServerResponse;
  readonly #fault: FaultAction | undefined;
  #lines = 0;
  #silent = false;

  constructor(response: ServerResponse, fault: FaultAction | undefined) {
    this.#response = response;
    this.#fault = fault;
    response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    this.#consider();
  }

  send(event: { readonly type: string; readonly object: Json }): void {
    if (this.#silent || this.#response.writableEnded) return;
    const line = `${JSON.stringify(event)}\n`;
    if (this.#fault?.kind === 'after-lines' && this.#fault.end === 'truncate' && this.#lines === this.#fault.lines) {
      this.raw(line.slice(0, Math.floor(line.length / 2)));
      this.finish('end');
      return;
    }
    this.raw(line);
    this.#lines += 1;
    this.#consider();
  }

  /** Any bytes. */
  raw(text: string | Buffer): void {
    if (!this.#silent) this.#response.write(text);
  }

  finish(how: WatchEnd): void {
    if (how === 'stall') this.#silent = true;
    else if (how === 'end') this.#response.end();
    // What was sent before still arrives; the end of the answer does not.
    else if (how === 'cut') this.#response.socket?.destroySoon();
    else {
      this.raw('{"type":"ADDED","object":{"metad');
      this.#response.end();
    }
  }

  /** Whether the fault's moment has come. */
  #consider(): void {
    if (this.#fault?.kind === 'insert' && this.#lines === this.#fault.afterLines) this.raw(this.#fault.text);
    if (this.#fault?.kind !== 'after-lines' || this.#lines !== this.#fault.lines) return;
    if (this.#fault.end !== 'truncate') this.finish(this.#fault.end);
  }
}

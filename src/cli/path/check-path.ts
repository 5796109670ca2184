import { connect, type Socket } from 'node:net';
import type { IpAddress } from '../../net/address.ts';
import type { Clock } from '../../runtime/clock.ts';

/** What is dialled through the tunnel to prove a path. */
export interface PathCheck {
  /** The device's mesh address, of the family of `to`. */
  readonly from: IpAddress;
  /** The gateway's mesh address. */
  readonly to: IpAddress;
  readonly port: number;
  readonly timeoutMs: number;
}

/** TCP repeats a lost SYN only after a second; so many connections are begun instead, evenly over the time. */
const ATTEMPTS = 3;
/** Somebody at the other end has said so, which nobody could without the tunnel. */
const REFUSALS: readonly (string | undefined)[] = ['ECONNREFUSED', 'ECONNRESET'];

/**
 * Milliseconds until a TCP connection to the gateway's mesh address was accepted or refused, both of which prove the way there and back;
 * undefined when neither came in time. Nothing is sent over the connection, and none stays open. Rejects with the signal's reason when
 * aborted.
 */
export async function checkPath(
  check: PathCheck,
  { clock, signal }: { readonly clock: Clock; readonly signal?: AbortSignal | undefined },
): Promise<number | undefined> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const sockets: Socket[] = [];
  const dial = () => {
    const began = clock.monotonic();
    const socket = connect({ host: check.to, port: check.port, localAddress: check.from });
    sockets.push(socket);
    socket.on('connect', () => resolve(clock.monotonic() - began));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (REFUSALS.includes(code)) resolve(clock.monotonic() - began);
    });
  };
  const starts = Array.from({ length: ATTEMPTS }, (_, place) => (place * check.timeoutMs) / ATTEMPTS);
  const cancels = [
    ...starts.map((at) => clock.timer(at, dial)),
    clock.timer(check.timeoutMs, () => resolve(undefined)),
  ];
  const abort = () => reject(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', abort);
    for (const cancel of cancels) cancel();
    for (const socket of sockets) leave(socket);
  }
}

/** By a reset: the ordinary end of a connection would be three more packets. */
function leave(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else if (!socket.destroyed) socket.resetAndDestroy();
}

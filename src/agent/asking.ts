import { type Clock, delay } from '../k8s/clock.ts';
import type { IpAddress } from '../net/address.ts';
import type { PublicKey } from '../net/key.ts';
import type { KeyPair } from '../net/key-pair.ts';
import type { RaceTiming } from '../usermode/race.ts';
import { RaceSockets, race } from '../usermode/race-socket.ts';

/** Another node's interface. */
export interface AskedNode {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  /** The gateway's. */
  readonly publicKey: PublicKey;
  /** From one answer to the next question. */
  readonly pauseMs: number;
}

/** Asks one node, again and again, until the signal is aborted. */
export type Ask = (node: () => AskedNode | undefined, heard: (answers: boolean) => void, signal: AbortSignal) => void;

/** A node that answers none of four questions in 400 ms is told to be unreachable; two of its addresses are asked at once. */
const ASK_TIMING: RaceTiming = { stepMs: 20, spreadMs: 20, retryMs: 100, timeoutMs: 400 };
/** Until there is somebody to ask. */
const NOBODY_MS = 200;

export interface AskerOptions {
  readonly keys: KeyPair;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Something unexpected went wrong with a question; the next one comes at its time. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Asks by a WireGuard handshake: what answers is the very thing that devices dial, be its agent there or not. No session comes of it.
 * One socket each, because every other port would cost both nodes an entry of connection tracking.
 */
export function createAsker({ keys, clock, randomBytes, onFailure }: AskerOptions): Ask {
  return (node, heard, signal) => {
    const sockets = new RaceSockets();
    const ask = async (asked: AskedNode) => {
      const { addresses, port, publicKey } = asked;
      const endpoints = addresses.map((address) => ({ address, port }));
      const plan = { privateKey: keys.privateKey, peerPublicKey: publicKey, endpoints, timing: ASK_TIMING, sockets };
      heard((await race({ ...plan, clock, randomBytes }, signal)) !== undefined);
    };
    void (async () => {
      while (!signal.aborted) {
        const asked = node();
        if (asked !== undefined) await ask(asked).catch((error: unknown) => signal.aborted || onFailure(error));
        await delay(clock, asked?.pauseMs ?? NOBODY_MS, signal);
      }
      await sockets.close();
    })();
  };
}

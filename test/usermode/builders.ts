import { createHash } from 'node:crypto';
import { type CurveKeys, curveKeys } from '../../src/net/curve-keys.ts';
import type { Identity } from '../../src/usermode/handshake.ts';
import { type Moment, newSession, SESSION_DEFAULTS, type Session } from '../../src/usermode/session-state.ts';

/** The bytes of a hex text; white space is for the reader. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Random bytes that are the same in every run with the same seed. */
export function seeded(seed: string): (length: number) => Uint8Array {
  let count = 0;
  return (length) => {
    const blocks: Uint8Array[] = [];
    for (let have = 0; have < length; have += 32)
      blocks.push(createHash('sha256').update(`${seed} ${count++}`).digest());
    return Uint8Array.from(Buffer.concat(blocks).subarray(0, length));
  };
}

export function someKeys(seed: string): CurveKeys {
  return curveKeys(seeded(seed)(32));
}

/** Two ends that know each other and share a secret. */
export function identities(presharedKey: Uint8Array = new Uint8Array(32)): {
  readonly laptop: Identity;
  readonly gateway: Identity;
} {
  const [laptop, gateway] = [someKeys('laptop'), someKeys('gateway')];
  return {
    laptop: { local: laptop, peerPublicKey: gateway.publicKey, presharedKey },
    gateway: { local: gateway, peerPublicKey: laptop.publicKey, presharedKey },
  };
}

export function sessionOf(identity: Identity, persistentKeepaliveMs?: number): Session {
  return newSession({ ...SESSION_DEFAULTS, ...identity, persistentKeepaliveMs });
}

const random = seeded('moments');

/** A moment at monotonic `now` milliseconds; the wall clock runs beside it. */
export function at(now: number, randomBytes = random): Moment {
  return { now, unixMs: 1_800_000_000_000 + now, randomBytes };
}

/** A minimal valid IPv4 packet with a number in it. */
export function ipPacket(number: number, length = 28): Uint8Array {
  const packet = new Uint8Array(length);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, length);
  view.setUint32(length - 4, number);
  return packet;
}

/** The value of a parsed result. @throws {Error} when it was refused. */
export function right<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string },
): T {
  if (!result.ok) throw new Error(result.problem);
  return result.value;
}

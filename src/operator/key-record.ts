import * as z from 'zod';
import type { Secret } from '../api/core.ts';
import { KEYS_ANNOTATION } from '../api/names.ts';
import type { HeldKeys } from '../mesh/gateway-keys.ts';
import { keyFileName, type PrivateKey, type PublicKey, parsePrivateKey, parsePublicKey } from '../net/key.ts';
import { publicKeyOf } from '../net/key-pair.ts';

/** What the Secret that a gateway's nodes mount says: which key is what, and the private keys themselves. */
export interface KeyRecord {
  readonly held: HeldKeys;
  readonly keys: ReadonlyMap<PublicKey, PrivateKey>;
  /** The last `spec.keyRotation.request` that was heeded. */
  readonly request: string | undefined;
}

const publicKeySchema = z.string().transform((text, context) => {
  const key = parsePublicKey(text);
  if (key.ok) return key.value;
  context.addIssue({ code: 'custom', message: key.problem });
  return z.NEVER;
});
const keySchema = { publicKey: publicKeySchema, slot: z.union([z.literal(1), z.literal(2)]) };

const recordSchema = z.object({
  current: z.object(keySchema),
  other: z
    .union([
      z.object({ ...keySchema, state: z.literal('Next') }),
      z.object({
        ...keySchema,
        state: z.literal('Former'),
        since: z.number(),
        isNewer: z.literal(true).optional(),
        unusedSince: z.number().optional(),
      }),
    ])
    .optional(),
  request: z.string().optional(),
});

/** The record as the text of an annotation. */
export function recordText({ held, request }: Pick<KeyRecord, 'held' | 'request'>): string {
  return JSON.stringify({ ...held, request });
}

/** What the Secret says; undefined where it is not there, unreadable, or lacks the key that devices are told. A former key without its private half has ended. */
export function recordIn(secret: Secret | undefined): KeyRecord | undefined {
  const result = recordSchema.safeParse(jsonOf(secret?.metadata.annotations?.[KEYS_ANNOTATION] ?? ''));
  if (secret === undefined || !result.success) return undefined;
  const { request, current, other } = result.data;
  const keys = new Map<PublicKey, PrivateKey>();
  for (const { publicKey } of [current, ...(other === undefined ? [] : [other])]) {
    const entry = secret.data[keyFileName(publicKey)];
    const key = parsePrivateKey(Buffer.from(entry ?? '', 'base64').toString('utf8'));
    if (key.ok && publicKeyOf(key.value) === publicKey) keys.set(publicKey, key.value);
  }
  if (!keys.has(current.publicKey)) return undefined;
  const isWhole = other !== undefined && keys.has(other.publicKey);
  return { held: isWhole ? { current, other } : { current }, keys, request };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

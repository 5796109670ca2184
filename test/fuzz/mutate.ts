/** Gives numbers from 0 to below 1. */
export type Random = () => number;

const MOST_BYTES = 64 * 1024;
/** Numbers at which lengths, counts and shifts go wrong. */
const EDGES = [
  0,
  1,
  2,
  7,
  8,
  31,
  32,
  63,
  64,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 53,
  -1,
  0.5,
];
const VALUES: readonly unknown[] = [
  null,
  true,
  '',
  '\u0000',
  '💥',
  'a'.repeat(300),
  [],
  {},
  [[]],
  { __proto__: null, constructor: 1 },
  ...EDGES,
  Number.MAX_VALUE,
  '10.0.0.0/33',
  '::ffff:1.2.3.4',
  '(none)',
];
const TEXTS = [
  '\t',
  '\n',
  '\r\n',
  '"',
  "'",
  '{',
  '[',
  ']',
  ',',
  ':',
  '/',
  '\\',
  '%',
  '\u0000',
  '-',
  '99999999999999999999',
];

/** One to four changes to some bytes: flipped, cut, repeated, inserted, overwritten. */
export function mutatedBytes(seed: Uint8Array, random: Random): Uint8Array {
  let bytes = Array.from(seed);
  for (let left = 1 + pick(random, 4); left > 0; left -= 1) bytes = byteChange(bytes, random);
  return Uint8Array.from(bytes.slice(0, MOST_BYTES));
}

/** The same for text; its characters stay characters. */
export function mutatedText(seed: string, random: Random): string {
  let text = seed;
  for (let left = 1 + pick(random, 4); left > 0; left -= 1) text = textChange(text, random);
  return text.slice(0, MOST_BYTES);
}

/** A JSON value with something in it replaced, removed, doubled or moved; the seed is left alone. */
export function mutatedValue(seed: unknown, random: Random): unknown {
  const copy = { root: structuredClone(seed) };
  for (let left = 1 + pick(random, 3); left > 0; left -= 1) valueChange(copy, random);
  return copy.root;
}

function byteChange(bytes: number[], random: Random): number[] {
  const at = pick(random, bytes.length + 1);
  const length = pick(random, Math.min(32, bytes.length - at + 1));
  switch (pick(random, 6)) {
    case 0:
      return bytes.map((byte, index) => (index === at ? byte ^ (1 << pick(random, 8)) : byte));
    case 1:
      return bytes.slice(0, at);
    case 2:
      return [...bytes.slice(0, at), ...bytes.slice(at + length)];
    case 3:
      return [...bytes.slice(0, at + length), ...bytes.slice(at)];
    case 4:
      return [...bytes.slice(0, at), ...Array.from({ length }, () => pick(random, 256)), ...bytes.slice(at)];
    default:
      return bytes.map((byte, index) => (index === at ? (one(random, EDGES) ?? 0) & 0xff : byte));
  }
}

function textChange(text: string, random: Random): string {
  const at = pick(random, text.length + 1);
  const end = at + pick(random, Math.min(24, text.length - at + 1));
  switch (pick(random, 6)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(end);
    case 2:
      return text.slice(0, end) + text.slice(at);
    case 3:
      return text.slice(0, at) + (one(random, TEXTS) ?? '') + text.slice(at);
    case 4:
      return text.slice(0, at) + String.fromCharCode(pick(random, 0x250)) + text.slice(at + 1);
    default:
      return text.slice(0, at) + String(one(random, EDGES)) + text.slice(end);
  }
}

interface Place {
  readonly holder: Record<string, unknown>;
  readonly name: string;
}

function valueChange(copy: { root: unknown }, random: Random): void {
  const all = places(copy as Record<string, unknown>);
  const place = one(random, all);
  if (place === undefined) return;
  const { holder, name } = place;
  switch (pick(random, 5)) {
    case 0:
      delete holder[name];
      return;
    case 1:
      holder[name] = structuredClone(one(random, VALUES));
      return;
    case 2: {
      const other = one(random, all);
      if (other !== undefined) holder[name] = structuredClone(other.holder[other.name]);
      return;
    }
    case 3: {
      const value = holder[name];
      if (Array.isArray(value)) holder[name] = [...value, ...value];
      else if (typeof value === 'string') holder[name] = textChange(value, random);
      else holder[name] = [value];
      return;
    }
    default:
      holder[`${name}${pick(random, 10)}`] = structuredClone(one(random, VALUES));
  }
}

/** Every place of a JSON value, the root first. */
function places(holder: Record<string, unknown>): readonly Place[] {
  return Object.keys(holder).flatMap((name) => {
    const value = holder[name];
    const inside = typeof value === 'object' && value !== null ? places(value as Record<string, unknown>) : [];
    return [{ holder, name }, ...inside];
  });
}

/** A whole number from 0 to below the bound. */
export function pick(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

function one<T>(random: Random, all: readonly T[]): T | undefined {
  return all[pick(random, all.length)];
}

import { isDeepStrictEqual } from 'node:util';

export type Json = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object. */
export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object in a field; an empty one when there is none. */
export function field(object: Json, name: string): Json {
  const value = object[name];
  return isJson(value) ? value : {};
}

/** The text in a field; empty when there is none. */
export function text(object: Json, name: string): string {
  const value = object[name];
  return typeof value === 'string' ? value : '';
}

/** The object without these fields. */
export function without(object: Json, ...names: readonly string[]): Json {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

export { isDeepStrictEqual as same };

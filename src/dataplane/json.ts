import { UnreadableOutput } from './unreadable.ts';

/** A JSON object whose fields have not been looked at. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The objects of a JSON array, as `ip -json` prints them; no output at all is an empty array. @throws {UnreadableOutput} */
export function jsonObjects(tool: string, text: string): readonly JsonObject[] {
  const value = text.trim() === '' ? [] : parseJson(tool, text);
  if (!Array.isArray(value)) throw new UnreadableOutput(tool, 'not a JSON array');
  return value.map((entry) => jsonObject(tool, entry));
}

/** The value, when it is an object. @throws {UnreadableOutput} */
export function jsonObject(tool: string, value: unknown): JsonObject {
  if (!isObject(value)) throw new UnreadableOutput(tool, 'not a JSON object where one belongs');
  return value;
}

/** The text of a field. @throws {UnreadableOutput} */
export function textField(tool: string, object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== 'string') throw new UnreadableOutput(tool, `field ${name} is no text`);
  return value;
}

/** The whole number in a field. @throws {UnreadableOutput} */
export function intField(tool: string, object: JsonObject, name: string): number {
  const value = object[name];
  if (!Number.isSafeInteger(value)) throw new UnreadableOutput(tool, `field ${name} is no whole number`);
  return value as number;
}

/** The entries of an array; undefined counts as an empty one. @throws {UnreadableOutput} */
export function jsonList(tool: string, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new UnreadableOutput(tool, 'not a JSON array where one belongs');
  return value;
}

/** Whether the value is an object and no array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text as a JSON value. @throws {UnreadableOutput} */
export function parseJson(tool: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreadableOutput(tool, 'not JSON');
  }
}

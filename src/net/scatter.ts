import { createHash } from 'node:crypto';

/** A number from 0 to 2³² - 1 that a text has for everybody; those of many texts are spread evenly. */
export function scatter(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}

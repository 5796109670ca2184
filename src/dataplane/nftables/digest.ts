/**
 * Sixteen hexadecimal digits that tell texts apart (two FNV-1a of 32 bits with different starts). It notices accidents; it
 * promises nothing against somebody who searches for a collision, who could edit the table's marker just as well.
 */
export function digest(text: string): string {
  return fnv(text, 0x811c9dc5) + fnv(text, 0x01234567);
}

function fnv(text: string, start: number): string {
  let hash = start;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

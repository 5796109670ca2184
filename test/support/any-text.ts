import fc from 'fast-check';

/**
 * Text of any code points, halves of a pair among them. As the unit `binary` of fast-check, which first makes a table of all million of them
 * and is busy with that for seconds.
 */
export function anyText(minLength = 0): fc.Arbitrary<string> {
  return fc.array(fc.nat(0x10ffff), { minLength }).map((points) => String.fromCodePoint(...points));
}

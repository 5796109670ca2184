import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LineSplitter, LineTooLong } from '../../src/k8s/lines.ts';
import { anyText } from '../support/any-text.ts';

describe('cutting a stream into lines', () => {
  test('gives the same lines wherever the chunks end, also inside a character', () => {
    const line = anyText(1).filter((text) => !text.includes('\n') && text.isWellFormed());
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.array(fc.nat(40), { maxLength: 20 }), (lines, sizes) => {
        const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(''));
        expect(cut(bytes, sizes)).toEqual({ lines, rest: 0 });
      }),
    );
  });

  test('empty lines are left out and an unfinished one is counted', () => {
    expect(cut(Buffer.from('a\n\nb\nhalf'), [2, 2])).toEqual({ lines: ['a', 'b'], rest: 4 });
  });

  test('a line beyond the bound is refused, whether it ends or not', () => {
    const splitter = () => new LineSplitter(() => undefined, 10);
    expect(() => splitter().push(Buffer.from('12345678901'))).toThrow(LineTooLong);
    expect(() => splitter().push(Buffer.from('12345678901\n'))).toThrow(LineTooLong);
    const slow = splitter();
    slow.push(Buffer.from('123456'));
    expect(() => slow.push(Buffer.from('78901'))).toThrow(LineTooLong);
    expect(() => splitter().push(Buffer.from('1234567890\n1234567890\n'))).not.toThrow();
  });
});

function cut(bytes: Buffer, sizes: readonly number[]) {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  let at = 0;
  for (const size of sizes) {
    splitter.push(bytes.subarray(at, at + size));
    at += size;
  }
  splitter.push(bytes.subarray(at));
  return { lines, rest: splitter.rest };
}

import { expect, test } from 'vitest';
import { screenOf, withoutNumbers } from '../support/screen.ts';

test('a spinner leaves its last line', () => {
  expect(screenOf('\r\u001b[2K⠙ Asking\r\u001b[2K\u001b[32m✓\u001b[39m Asked\r\n')).toBe('✓ Asked');
});

test('what is written over stays where nothing was written', () => {
  expect(screenOf('abcdef\rXY\n')).toBe('XYcdef');
});

test('a cleared screen has what came after', () => {
  expect(screenOf('old\n\u001b[H\u001b[2Jnew\n')).toBe('new');
});

test('what moves the cursor otherwise is not guessed', () => {
  expect(() => screenOf('a\u001b[3Ab')).toThrow('what does');
});

test('two times of one command look the same without their numbers', () => {
  expect(withoutNumbers('up for 12 s   1.5 KiB')).toBe(withoutNumbers('up for 3 min  980 B'));
  expect(withoutNumbers('up')).not.toBe(withoutNumbers('down'));
});

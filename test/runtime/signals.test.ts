import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { Interrupted, interruptSignal } from '../../src/runtime/signals.ts';

class FakeProgram extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

describe('signals', () => {
  test('the first one aborts and says which it was, the second ends the program', () => {
    for (const name of ['SIGTERM', 'SIGINT']) {
      const program = new FakeProgram();
      const { signal } = interruptSignal(program);
      expect(signal.aborted).toBe(false);
      program.emit(name);
      expect(signal.reason).toBeInstanceOf(Interrupted);
      expect([signal.reason.message, program.exits]).toEqual([`received ${name}`, []]);
      program.emit('SIGINT');
      expect(program.exits).toEqual([130]);
    }
  });

  test('released, nothing listens any more', () => {
    const program = new FakeProgram();
    interruptSignal(program).release();
    expect(program.eventNames()).toEqual([]);
  });
});

import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { because } from '../support/because.ts';
import { missing } from './machine.ts';
import { startProgram } from './mesh.ts';
import { Namespace } from './namespace.ts';

describe.skipIf(missing)(`a namespace${because(missing)}`, () => {
  test('ends with whoever made it, however that ended, and whatever was left running in it', async () => {
    const own = await Namespace.create();
    try {
      const pids: number[] = [];
      const { pid = 0, exited } = await startProgram(own.commands, 'abandons.ts', (line) => pids.push(Number(line)));
      const [left] = pids;
      expect(existsSync(`/proc/${left}`)).toBe(true);
      process.kill(pid, 'SIGKILL');
      await exited;
      await expect.poll(() => existsSync(`/proc/${left}`)).toBe(false);
      expect(await own.run('echo still')).toBe('still\n');
    } finally {
      await own.dispose();
    }
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { locked } from '../../../src/cli/names/lock.ts';

const LOCK = join(import.meta.dirname, '../../../src/cli/names/lock.ts');
const paths = { etc: '/etc', run: `/run/${process.pid}` };

describe.skipIf(process.platform !== 'linux')('the lock on names', () => {
  test('lets one after the other work, and gives what each brings', async () => {
    let inside = 0;
    let most = 0;
    const work = async (value: number) => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      return value;
    };
    const all = Array.from({ length: 20 }, (_, value) => locked(paths, () => work(value)));
    expect(await Promise.all(all)).toEqual(all.map((_, value) => value));
    expect(most).toBe(1);
  });

  test('is free again after work that fails', async () => {
    await expect(locked(paths, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await locked(paths, () => Promise.resolve('yes'))).toBe('yes');
  });

  test('is free again when its holder is killed', async () => {
    const program = `import { locked } from '${LOCK}';
      setInterval(() => undefined, 1000);
      await locked(${JSON.stringify(paths)}, () => { console.log('in'); return new Promise(() => undefined); });`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const waiting = locked(paths, () => Promise.resolve('in turn'));
    holder.kill('SIGKILL');
    expect(await waiting).toBe('in turn');
  });

  test('of other paths is another one', async () => {
    const inner = () => locked({ ...paths, run: '/elsewhere' }, () => Promise.resolve('both'));
    expect(await locked(paths, inner)).toBe('both');
  });
});

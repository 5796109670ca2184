import { describe, expect, test } from 'vitest';
import { takeClusterSlots } from '../lab/cluster-slots.ts';

const name = `test-${process.pid}`;

// A slot is a socket without a file, as Linux alone has it.
describe.skipIf(process.platform !== 'linux')('slots for clusters (Linux alone has such sockets)', () => {
  test('who comes when all slots are taken waits until enough are free, and keeps nobody else from one meanwhile', async () => {
    const first = await takeClusterSlots(1, { most: 2, name });
    const order: string[] = [];
    const both = takeClusterSlots(2, { most: 2, name }).then((giveBack) => {
      order.push('both');
      return giveBack;
    });
    const second = await takeClusterSlots(1, { most: 2, name });
    order.push('second');
    await first();
    await second();
    await (await both)();
    expect(order).toEqual(['second', 'both']);
  });

  test('who needs none waits for nobody, and nobody for more than there are', async () => {
    const all = await takeClusterSlots(3, { most: 2, name: `${name}-all` });
    const none = await takeClusterSlots(0, { most: 2, name: `${name}-all` });
    await none();
    await all();
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WorkQueue } from '../../src/k8s/queue.ts';
import { ManualClock } from '../support/fake-clock.ts';

/** A queue whose work is held until it is let go. */
function heldQueue(concurrency = 1) {
  const clock = new ManualClock();
  const begun: string[] = [];
  const running = new Map<string, (error?: Error) => void>();
  /** Added, and not begun since. */
  const wanted = new Set<string>();
  /** Begun while it was worked on already. */
  const twice: string[] = [];
  let most = 0;
  const work = (key: string) =>
    new Promise<void>((resolve, reject) => {
      if (running.has(key)) twice.push(key);
      begun.push(key);
      wanted.delete(key);
      running.set(key, (error) => {
        running.delete(key);
        if (error) reject(error);
        else resolve();
      });
      most = Math.max(most, running.size);
    });
  const queue = new WorkQueue<string>({ work, clock, random: () => 0, concurrency });
  const finish = async (key: string, error?: Error) => {
    running.get(key)?.(error);
    await clock.advance(0);
  };
  return { queue, clock, begun, running, wanted, twice, finish, most: () => most };
}

describe('the work queue', () => {
  test('begins nothing before it is started, then in order', async () => {
    const { queue, clock, begun, finish } = heldQueue();
    for (const key of ['b', 'a', 'b', 'c']) queue.add(key);
    await clock.advance(1000);
    expect([begun, queue.length]).toEqual([[], 3]);
    queue.start();
    await clock.advance(0);
    await finish('b');
    await finish('a');
    expect(begun).toEqual(['b', 'a', 'c']);
  });

  test('a key that is added while it waits is done once, while it is worked on once more', async () => {
    const { queue, clock, begun, finish } = heldQueue();
    queue.start();
    queue.add('a');
    queue.add('a');
    await clock.advance(0);
    for (let i = 0; i < 5; i++) queue.add('a');
    await clock.advance(0);
    expect(begun).toEqual(['a']);
    await finish('a');
    expect(begun).toEqual(['a', 'a']);
    await finish('a');
    expect([begun, queue.length]).toEqual([['a', 'a'], 0]);
  });

  test('a key that became dirty lets those that waited go first', async () => {
    const { queue, clock, begun, finish } = heldQueue();
    queue.start();
    for (const key of ['a', 'b']) queue.add(key);
    await clock.advance(0);
    queue.add('a');
    await finish('a');
    await finish('b');
    expect(begun).toEqual(['a', 'b', 'a']);
  });

  test('works on as many keys at once as it may', async () => {
    const { queue, clock, running, finish, most } = heldQueue(3);
    queue.start();
    for (let i = 0; i < 10; i++) queue.add(`k${i}`);
    await clock.advance(0);
    while (running.size > 0) await finish([...running.keys()][0] ?? '');
    expect(most()).toBe(3);
  });

  test('of several wishes for later the earliest counts', async () => {
    const { queue, clock, begun, finish } = heldQueue();
    queue.start();
    queue.addAfter('a', 500);
    queue.addAfter('a', 100);
    queue.addAfter('a', 900);
    await clock.advance(99);
    expect(begun).toEqual([]);
    await clock.advance(1);
    expect(begun).toEqual(['a']);
    await finish('a');
    await clock.advance(10_000);
    expect([begun, clock.pending]).toEqual([['a'], 0]);
  });

  test('later than nothing is now', async () => {
    const { queue, clock, begun } = heldQueue();
    queue.start();
    queue.addAfter('a', 0);
    queue.addAfter('b', -5);
    await clock.advance(0);
    expect([begun, queue.length]).toEqual([['a'], 1]);
  });

  test('back-off grows per key until it is forgotten', async () => {
    const { queue } = heldQueue();
    expect([1, 2, 3, 4].map(() => queue.addRateLimited('a'))).toEqual([50, 100, 200, 400]);
    expect(queue.addRateLimited('b')).toBe(50);
    expect(queue.failures('a')).toBe(4);
    queue.forget('a');
    expect([queue.failures('a'), queue.addRateLimited('a')]).toEqual([0, 50]);
  });

  test('work that rejects comes back after its back-off and is dirty no more than once', async () => {
    const { queue, clock, begun, finish } = heldQueue();
    queue.start();
    queue.add('a');
    await clock.advance(0);
    await finish('a', new Error('no'));
    await clock.advance(49);
    expect(begun).toEqual(['a']);
    await clock.advance(1);
    await finish('a', new Error('no'));
    await clock.advance(100);
    expect(begun).toEqual(['a', 'a', 'a']);
  });

  test('stop waits for what runs, and nothing begins afterwards', async () => {
    const { queue, clock, begun, finish } = heldQueue();
    queue.start();
    for (const key of ['a', 'b']) queue.add(key);
    queue.addAfter('c', 10);
    await clock.advance(0);
    queue.add('a');
    let stopped = false;
    const stopping = queue.stop().then(() => {
      stopped = true;
    });
    queue.add('d');
    queue.addAfter('e', 1);
    await clock.advance(100);
    expect(stopped).toBe(false);
    await finish('a');
    await stopping;
    await clock.advance(1000);
    expect([begun, clock.pending, queue.length]).toEqual([['a'], 0, 0]);
  });

  test('whatever happens, no key is lost, none is done twice at once, none runs beyond the limit', async () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      act: fc.constantFrom('add', 'later', 'end', 'fail'),
    });
    const steps = fc.array(step, { maxLength: 40 });
    const property = fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), async (all, limit) => {
      const held = heldQueue(limit);
      held.queue.start();
      for (const { key, act } of all) await take(held, key, act);
      await drain(held);
      expect([[...held.wanted], held.twice]).toEqual([[], []]);
      expect(held.most()).toBeLessThanOrEqual(limit);
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

async function take({ queue, clock, wanted, finish }: ReturnType<typeof heldQueue>, key: string, act: string) {
  if (act === 'end') await finish(key);
  else if (act === 'fail') await finish(key, new Error('no'));
  else {
    wanted.add(key);
    if (act === 'add') queue.add(key);
    else queue.addAfter(key, 30);
  }
  await clock.advance(1);
}

/** Lets all work succeed until nothing is left. */
async function drain({ queue, clock, running, finish }: ReturnType<typeof heldQueue>) {
  for (let round = 0; running.size + clock.pending + queue.length > 0; round++) {
    expect(round).toBeLessThan(100);
    for (const key of [...running.keys()]) await finish(key);
    await clock.advance(70_000);
  }
}

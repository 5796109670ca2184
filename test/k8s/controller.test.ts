import { describe, expect, test } from 'vitest';
import type { ConfigMap } from '../../src/api/core.ts';
import { keyOf, type ObjectKey } from '../../src/api/resource.ts';
import { type ControllerOptions, type ControllerRun, createController } from '../../src/k8s/controller.ts';
import { type Outcome, rejected, settled, waiting } from '../../src/k8s/outcome.ts';
import { Cache } from '../../src/k8s/store.ts';
import { ManualClock } from '../support/fake-clock.ts';

function configMap(name: string, version = '1'): ConfigMap {
  const metadata = { name, uid: name, resourceVersion: version, creationTimestamp: '' };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: {} };
}

const key = (name: string) => name as ObjectKey;

function running(reconcile: (key: ObjectKey) => Promise<Outcome>, options: Partial<ControllerOptions> = {}) {
  const clock = new ManualClock();
  const runs: ControllerRun[] = [];
  const cache = new Cache<ConfigMap>(() => undefined);
  const stop = new AbortController();
  const controller = createController({
    reconcile,
    clock,
    random: () => 0.5,
    onRun: (run) => runs.push(run),
    ...options,
  });
  controller.watch(cache, ({ key: changed }) => [changed]);
  return { clock, runs, cache, controller, stop, ended: controller.run(stop.signal) };
}

function sync(cache: Cache<ConfigMap>, ...names: readonly string[]): void {
  cache.replace(new Map(names.map((name) => [keyOf({ name }), configMap(name)])), '1');
}

describe('a controller', () => {
  test('begins when every store is synced, with all they hold', async () => {
    const done: string[] = [];
    const { clock, cache, controller, stop, ended } = running(async (each) => {
      done.push(each);
      return settled;
    });
    controller.add(key('asked for early'));
    await clock.advance(1000);
    expect(done).toEqual([]);
    sync(cache, 'a', 'b');
    await clock.advance(0);
    expect(done).toEqual(['asked for early', 'a', 'b']);
    stop.abort();
    await ended;
  });

  test('what throws is tried again with back-off, and the next success forgets it', async () => {
    const fails = [true, true, true, false, true];
    const { clock, cache, runs, stop, ended } = running(async () => {
      if (fails.shift()) throw new Error('not now');
      return settled;
    });
    sync(cache, 'a');
    await clock.advance(1000);
    cache.put(configMap('a', '2'));
    await clock.advance(1000);
    expect(runs.map((run) => (run.kind === 'failed' ? run.retryInMs : run.outcome.kind))).toEqual([
      53,
      105,
      210,
      'settled',
      53,
      'settled',
    ]);
    stop.abort();
    await ended;
  });

  test('waiting looks again after its time, rejected only after a change', async () => {
    const outcomes = [waiting(500, 'no address yet'), rejected('a bad key'), settled];
    const { clock, cache, runs, stop, ended } = running(async () => outcomes.shift() ?? settled);
    sync(cache, 'a');
    await clock.advance(499);
    expect(runs).toHaveLength(1);
    await clock.advance(1);
    expect(runs).toHaveLength(2);
    await clock.advance(100_000);
    expect(runs).toHaveLength(2);
    cache.put(configMap('a', '2'));
    await clock.advance(0);
    expect(runs).toMatchObject([{}, {}, { kind: 'done', key: 'a', outcome: { kind: 'settled' } }]);
    stop.abort();
    await ended;
  });

  test('a change that comes while its key is reconciled is not missed', async () => {
    let release: (() => void) | undefined;
    const seen: (string | undefined)[] = [];
    const { clock, cache, stop, ended } = running(async (each) => {
      seen.push(cache.get(each)?.metadata.resourceVersion);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return settled;
    });
    sync(cache, 'a');
    await clock.advance(0);
    for (const version of ['2', '3', '4']) cache.put(configMap('a', version));
    release?.();
    await clock.advance(0);
    expect(seen).toEqual(['1', '4']);
    stop.abort();
    release?.();
    await ended;
  });

  test('a resync brings every key again', async () => {
    const { clock, cache, runs, stop, ended } = running(async () => settled, { resyncEvery: 60_000 });
    sync(cache, 'a', 'b');
    await clock.advance(0);
    cache.remove(key('b'));
    await clock.advance(0);
    runs.length = 0;
    await clock.advance(180_000);
    expect(runs.map((run) => run.key)).toEqual(['a', 'a', 'a']);
    stop.abort();
    await ended;
    expect(clock.pending).toBe(0);
  });

  test('ends after the reconcile that runs, also when it never began', async () => {
    let release: (() => void) | undefined;
    const { clock, cache, stop, ended, runs } = running(async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return settled;
    });
    sync(cache, 'a', 'b');
    await clock.advance(0);
    stop.abort();
    await clock.advance(0);
    expect(runs).toEqual([]);
    release?.();
    await ended;
    expect(runs.map((run) => run.key)).toEqual(['a']);

    const early = running(async () => settled);
    early.stop.abort();
    await early.ended;
    expect(early.clock.pending).toBe(0);
  });
});

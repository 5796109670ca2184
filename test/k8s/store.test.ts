import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ConfigMap } from '../../src/api/core.ts';
import { keyOf, type ObjectKey } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';

function configMap(name: string, value: number): ConfigMap {
  const metadata = { name, uid: name, resourceVersion: String(value), creationTimestamp: '' };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: {} };
}

describe('a store', () => {
  test('whoever applies the announced changes one by one holds what the store holds', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const content = fc.dictionary(name, fc.nat(3));
    const step = fc.oneof(
      fc.record({ act: fc.constant('put' as const), name, value: fc.nat(3) }),
      fc.record({ act: fc.constant('remove' as const), name }),
      fc.record({ act: fc.constant('replace' as const), content }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const cache = new Cache<ConfigMap>(() => undefined);
        const mirror = new Map<ObjectKey, ConfigMap>();
        cache.subscribe(({ key, before, after }) => {
          expect(mirror.get(key)).toBe(before);
          if (after === undefined) mirror.delete(key);
          else mirror.set(key, after);
        });
        for (const each of steps) {
          if (each.act === 'put') cache.put(configMap(each.name, each.value));
          else if (each.act === 'remove') cache.remove(each.name as ObjectKey);
          else {
            const objects = Object.entries(each.content).map(([key, value]) => configMap(key, value));
            cache.replace(new Map(objects.map((object) => [keyOf(object.metadata), object])), '1');
          }
          expect(new Map(cache.entries())).toEqual(mirror);
        }
      }),
    );
  });

  test('unsubscribing ends the calls, also in the middle of one', () => {
    const cache = new Cache<ConfigMap>(() => undefined);
    const calls: string[] = [];
    const stop = cache.subscribe(() => {
      calls.push('first');
      stop();
    });
    cache.subscribe(() => calls.push('second'));
    cache.put(configMap('a', 1));
    cache.put(configMap('a', 2));
    expect(calls).toEqual(['first', 'second', 'second']);
  });

  test('removing what is not there announces nothing', () => {
    const cache = new Cache<ConfigMap>(() => undefined);
    cache.subscribe(() => expect.unreachable());
    cache.remove('none' as ObjectKey);
  });
});

import { expect, test } from 'vitest';
import { configMapType } from '../../../src/api/core.ts';
import type { KubernetesObject } from '../../../src/api/resource.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../src/k8s/errors.ts';
import { at, ME, NAMESPACE, type Parties } from './parties.ts';
import { widgetType } from './widget.ts';

export function describeObjects(parties: () => Parties): void {
  test('objects are created, read, patched, replaced, deleted', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    expect(await client.get(configMapType, name, NAMESPACE)).toBeUndefined();
    const made = await client.create(configMapType, { metadata: at(name), data: { a: '1' } });
    expect(made).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at(name), data: { a: '1' } });
    expect(made.metadata.uid).not.toBe('');
    await client.patch(configMapType, at(name), { data: { a: null, b: '2' } });
    expect(await client.get(configMapType, name, NAMESPACE)).toMatchObject({ data: { b: '2' } });
    await client.replace(configMapType, { metadata: at(name), data: { c: '3' } });
    expect((await client.get(configMapType, name, NAMESPACE))?.data).toEqual({ c: '3' });
    expect([await client.delete(configMapType, at(name)), await client.delete(configMapType, at(name))]).toEqual([
      true,
      false,
    ]);
  });

  test('a taken name, a stale version and a wrong uid are conflicts that can be told apart', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const old = await client.create(configMapType, { metadata: at(name) });
    const failure = (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(isAlreadyExists(await failure(client.create(configMapType, { metadata: at(name) })))).toBe(true);
    await client.patch(configMapType, at(name), { data: { changed: 'yes' } });
    expect(isConflict(await failure(client.replace(configMapType, { metadata: old.metadata })))).toBe(true);
    const wrong = { uid: '00000000-0000-0000-0000-000000000000' };
    expect(isConflict(await failure(client.delete(configMapType, at(name), wrong)))).toBe(true);
    expect(await client.delete(configMapType, at(name), { uid: old.metadata.uid })).toBe(true);
  });

  test('a list is whole however long, and only what the selectors match', async () => {
    const { client, fresh } = parties();
    const label = fresh();
    const names = Array.from({ length: 520 }, (_, i) => `${label}-${i}`);
    for (let begin = 0; begin < names.length; begin += 8) {
      await Promise.all(
        names
          .slice(begin, begin + 8)
          .map((name, i) =>
            client.create(configMapType, { metadata: { ...at(name), labels: { set: label, half: String(i % 2) } } }),
          ),
      );
    }
    const of = async (labelSelector: string) => (await client.list(configMapType, { labelSelector })).items;
    const all = await of(`set=${label}`);
    expect(new Set(all.map(({ metadata }) => metadata.name))).toEqual(new Set(names));
    expect(all[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    expect(await of(`set=${label},half=1`)).toHaveLength(260);
    expect(await of(`set=${label},half notin (0,1)`)).toHaveLength(0);
    const { items } = await client.list(configMapType, {
      fieldSelector: `metadata.name=${names[7]}`,
      namespace: NAMESPACE,
    });
    expect(items.map(({ metadata }) => metadata.name)).toEqual([names[7]]);
  });

  test('the server tells what it serves', async () => {
    const { client } = parties();
    const served = [
      configMapType,
      widgetType,
      { ...configMapType, plural: 'nothings' },
      { ...widgetType, version: 'v9' },
    ];
    expect(await Promise.all(served.map((type) => client.discover<KubernetesObject>(type)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
}

export function describeApply(parties: () => Parties): void {
  test('what a manager applied before and leaves out now is removed, what others own stays', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    await client.apply(configMapType, { metadata: at(name), data: { a: '1', b: '2' } }, ME);
    await client.apply(configMapType, { metadata: at(name), data: { theirs: 'x' } }, { fieldManager: 'other' });
    const after = await client.apply(configMapType, { metadata: at(name), data: { a: '1' } }, ME);
    expect(after.data).toEqual({ a: '1', theirs: 'x' });
  });

  test("another's field is a conflict unless forced, and then it is ours", async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const apply = (who: string, value: string, force: boolean) =>
      client.apply(configMapType, { metadata: at(name), data: { a: value } }, { fieldManager: who, force });
    await apply('first', '1', false);
    await expect(apply('second', '2', false)).rejects.toSatisfy(isConflict);
    expect((await apply('second', '1', false)).data).toEqual({ a: '1' });
    expect((await apply('third', '3', true)).data).toEqual({ a: '3' });
    await expect(apply('first', '1', false)).rejects.toSatisfy(isConflict);
  });

  test('an apply that names the uid of an object that is gone is a conflict and makes none', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const { uid } = (await client.create(configMapType, { metadata: at(name) })).metadata;
    await client.delete(configMapType, at(name));
    await expect(client.apply(configMapType, { metadata: { ...at(name), uid } }, ME)).rejects.toSatisfy(isConflict);
  });

  test('applying the same again changes nothing, not even the version', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const apply = () => client.apply(widgetType, { metadata: at(name), spec: { size: 1 } }, ME);
    const [first, second] = [await apply(), await apply()];
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });
}

export function describeStatus(parties: () => Parties): void {
  test('status is written by its subresource alone, and only the spec counts for generation', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const made = await client.apply(widgetType, { metadata: at(name), spec: { size: 1 }, status: { ready: true } }, ME);
    expect([made.metadata.generation, made.status]).toEqual([1, undefined]);
    const judged = await client.applyStatus(widgetType, at(name), { ready: true }, ME);
    expect([judged.metadata.generation, judged.spec, judged.status]).toEqual([1, { size: 1 }, { ready: true }]);
    const grown = await client.apply(widgetType, { metadata: at(name), spec: { size: 2 } }, ME);
    expect([grown.metadata.generation, grown.spec, grown.status]).toEqual([2, { size: 2 }, { ready: true }]);
    const again = await client.applyStatus(widgetType, at(name), { seen: 'now' }, ME);
    expect([again.spec, again.status]).toEqual([{ size: 2 }, { seen: 'now' }]);
  });

  test('the status of what is gone is not found', async () => {
    const { client, fresh } = parties();
    await expect(client.applyStatus(widgetType, at(fresh()), { ready: true }, ME)).rejects.toSatisfy(isNotFound);
  });
}

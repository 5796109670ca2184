import { isJson, type Json, same } from './json.ts';

/** RFC 7386: null removes, objects are merged, everything else is replaced. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJson(patch)) return patch;
  const merged: Record<string, unknown> = isJson(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

/** Who owns which leaves. A path is the JSON text of its segments. */
export type Owners = ReadonlyMap<string, ReadonlySet<string>>;

export interface Applied {
  readonly object: Json;
  readonly owners: Owners;
  /** Leaves that another manager owns with another value, and its name. Not empty only without force. */
  readonly conflicts: readonly { readonly path: string; readonly manager: string }[];
}

/**
 * Server-side apply, as far as tests need it. Every list is one leaf (the real server merges lists that declare keys);
 * a leaf this manager applied before and leaves out now is removed unless someone else owns it as well.
 */
export function applyMerge(
  live: Json,
  owners: Owners,
  intent: Json,
  options: { manager: string; force: boolean },
): Applied {
  const wanted = new Map(leaves(intent));
  const conflicts = options.force ? [] : findConflicts(live, owners, wanted, options.manager);
  let object: Json = live;
  for (const path of owners.get(options.manager) ?? []) {
    const ownedElsewhere = [...owners].some(([name, paths]) => name !== options.manager && paths.has(path));
    if (!wanted.has(path) && !ownedElsewhere) object = removeLeaf(object, segments(path));
  }
  for (const [path, value] of wanted) object = setLeaf(object, segments(path), value);
  const after = new Map<string, ReadonlySet<string>>();
  for (const [name, paths] of owners) {
    if (name === options.manager) continue;
    const kept = [...paths].filter((path) => !wanted.has(path) || same(valueAt(live, path), wanted.get(path)));
    if (kept.length > 0) after.set(name, new Set(kept));
  }
  after.set(options.manager, new Set(wanted.keys()));
  return { object, owners: after, conflicts };
}

/** A write that is not an apply: its manager owns what it changed, and others own it no more. */
export function ownersAfterUpdate(before: Json, after: Json, owners: Owners, manager: string): Owners {
  const old = new Map(leaves(before));
  const now = new Map(leaves(after));
  const changed = [...now].filter(([path, value]) => !same(old.get(path), value)).map(([path]) => path);
  const kept = new Map<string, ReadonlySet<string>>();
  for (const [name, paths] of owners) {
    kept.set(name, new Set([...paths].filter((path) => now.has(path) && !changed.includes(path))));
  }
  if (changed.length > 0) kept.set(manager, new Set([...(kept.get(manager) ?? []), ...changed]));
  return kept;
}

function findConflicts(live: Json, owners: Owners, wanted: ReadonlyMap<string, unknown>, manager: string) {
  const found: { path: string; manager: string }[] = [];
  for (const [name, paths] of owners) {
    if (name === manager) continue;
    for (const [path, value] of wanted) {
      if (paths.has(path) && !same(valueAt(live, path), value)) found.push({ path, manager: name });
    }
  }
  return found;
}

function* leaves(value: Json, at: readonly string[] = []): Generator<readonly [string, unknown]> {
  for (const [name, inner] of Object.entries(value)) {
    const path = [...at, name];
    if (isJson(inner) && Object.keys(inner).length > 0) yield* leaves(inner, path);
    else yield [JSON.stringify(path), inner];
  }
}

function segments(path: string): readonly string[] {
  const parsed: unknown = JSON.parse(path);
  return Array.isArray(parsed) ? parsed.map(String) : [];
}

function valueAt(object: Json, path: string): unknown {
  return segments(path).reduce<unknown>((value, name) => (isJson(value) ? value[name] : undefined), object);
}

function setLeaf(object: Json, [name = '', ...rest]: readonly string[], value: unknown): Json {
  const inner = object[name];
  return { ...object, [name]: rest.length === 0 ? value : setLeaf(isJson(inner) ? inner : {}, rest, value) };
}

function removeLeaf(object: Json, [name = '', ...rest]: readonly string[]): Json {
  const { [name]: inner, ...others } = object;
  if (rest.length === 0 || !isJson(inner)) return others;
  const left = removeLeaf(inner, rest);
  return Object.keys(left).length === 0 ? others : { ...others, [name]: left };
}

import { structureDigest } from './render.ts';
import type { ElementChange, NamedSet, ObservedRuleset, Ruleset } from './ruleset.ts';

/** What brings an observed table to a wanted one: nothing, a change of elements, or a new table. */
export type RulesetDifference =
  | { readonly kind: 'none' }
  | { readonly kind: 'elements'; readonly changes: readonly ElementChange[] }
  | { readonly kind: 'structure' };

/** The smallest way from the observed table to the wanted one. */
export function rulesetDifference(wanted: Ruleset, observed: ObservedRuleset | undefined): RulesetDifference {
  if (observed === undefined || !observed.intact || observed.written !== structureDigest(wanted))
    return { kind: 'structure' };
  const changes = elementChanges(wanted, observed);
  return changes.length === 0 ? { kind: 'none' } : { kind: 'elements', changes };
}

/** The elements that differ, of the sets that no rule fills. */
export function elementChanges({ sets }: Ruleset, { elements }: ObservedRuleset): readonly ElementChange[] {
  const ours = sets.filter(({ timeout }) => timeout === undefined);
  return ours.flatMap((set) => elementChange(set, elements.get(set.name) ?? []));
}

/** What of the changes the observed table has not seen yet: nft refuses to delete an element that is not there. */
export function remainingChanges(
  changes: readonly ElementChange[],
  observed: ObservedRuleset,
): readonly ElementChange[] {
  return changes.flatMap((change) => {
    const present = new Set(observed.elements.get(change.set));
    const added = change.added.filter((element) => !present.has(element));
    const removed = change.removed.filter((element) => present.has(element));
    return added.length + removed.length === 0 ? [] : [{ set: change.set, added, removed }];
  });
}

/** The table after these changes. */
export function afterChanges(observed: ObservedRuleset, changes: readonly ElementChange[]): ObservedRuleset {
  const elements = new Map(observed.elements);
  for (const { set, added, removed } of changes) {
    const present = new Set(elements.get(set));
    for (const element of removed) present.delete(element);
    for (const element of added) present.add(element);
    elements.set(set, [...present]);
  }
  return { ...observed, elements };
}

function elementChange(set: NamedSet, observed: readonly string[]): readonly ElementChange[] {
  const wanted = new Set(set.elements);
  const present = new Set(observed);
  const added = set.elements.filter((element) => !present.has(element));
  const removed = observed.filter((element) => !wanted.has(element));
  return added.length + removed.length === 0 ? [] : [{ set: set.name, added, removed }];
}

import type { IpAddress } from '../../net/address.ts';
import { structureDigest } from './render.ts';
import type { ElementChange, Flow, NamedSet, ObservedRuleset, Ruleset } from './ruleset.ts';

/** What brings an observed table to a wanted one: nothing, a change of elements, or a new table. */
export type RulesetDifference =
  | { readonly kind: 'none' }
  | { readonly kind: 'elements'; readonly changes: readonly ElementChange[] }
  | { readonly kind: 'structure' };

/** The smallest way from the observed table to the wanted one. */
export function rulesetDifference(wanted: Ruleset, observed: ObservedRuleset | undefined): RulesetDifference {
  if (observed === undefined || !observed.intact || observed.written !== structureDigest(wanted))
    return { kind: 'structure' };
  const ours = wanted.sets.filter(({ timeout }) => timeout === undefined);
  const changes = ours.flatMap((set) => elementChange(set, observed.elements.get(set.name) ?? []));
  return changes.length === 0 ? { kind: 'none' } : { kind: 'elements', changes };
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

/** The connections that nothing lets in any more once these elements have left. */
export function endedFlows(ruleset: Ruleset, changes: readonly ElementChange[]): readonly Flow[] {
  const protocols = new Map(ruleset.sets.map(({ name, lets }) => [name, lets]));
  return changes.flatMap(({ set, removed }) => {
    const protocol = protocols.get(set);
    return protocol === undefined ? [] : removed.map((element) => flowOf(protocol, element));
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

function flowOf(protocol: Flow['protocol'], element: string): Flow {
  const [source = '', destination = '', port = ''] = element.split(' . ');
  return { protocol, source: source as IpAddress, destination: destination as IpAddress, port: Number(port) };
}

function elementChange(set: NamedSet, observed: readonly string[]): readonly ElementChange[] {
  const wanted = new Set(set.elements);
  const present = new Set(observed);
  const added = set.elements.filter((element) => !present.has(element));
  const removed = observed.filter((element) => !wanted.has(element));
  return added.length + removed.length === 0 ? [] : [{ set: set.name, added, removed }];
}

import { parseAddress } from '../../net/address.ts';
import { cidrLength, cidrsOverlap, hostCidr, parseCidr } from '../../net/cidr.ts';
import { parsed } from '../../net/parsed.ts';
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

/** Connections that elements let in which have left, and those of the same devices that other elements still let in. */
export interface EndedFlows {
  readonly flows: readonly Flow[];
  /** What of them goes on: ranges may overlap. */
  readonly kept: readonly Flow[];
}

/** The connections that end once these elements have left. */
export function endedFlows(ruleset: Ruleset, changes: readonly ElementChange[]): EndedFlows {
  const letting = new Map(ruleset.sets.map((set) => [set.name, set.lets]));
  const left = changes.flatMap(({ set, removed }) => flowsOf(letting.get(set), removed));
  if (left.length === 0) return { flows: [], kept: [] };
  const sources = new Set<string>(left.map(({ source }) => source));
  const own = (element: string) => sources.has(element.slice(0, element.indexOf(' ')));
  const stays = ruleset.sets.flatMap(({ lets, elements }) =>
    flowsOf(lets, lets === undefined ? [] : elements.filter(own)),
  );
  const staying = Map.groupBy(stays, ({ source }) => source);
  const flows = left.filter((flow) => staying.get(flow.source)?.some((other) => covers(other, flow)) !== true);
  const ending = Map.groupBy(flows, ({ source }) => source);
  return { flows, kept: stays.filter((flow) => ending.get(flow.source)?.some((other) => meet(flow, other)) === true) };
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

/** Elements come from the kernel, where another hand may have put anything; what is no such element lets nothing in. */
function flowsOf(lets: NamedSet['lets'], elements: readonly string[]): readonly Flow[] {
  if (lets === undefined) return [];
  return elements.flatMap((element): readonly Flow[] => {
    const [source = '', destination = '', port = ''] = element.split(' . ');
    const from = parseAddress(source);
    const address = parseAddress(destination);
    const to = address.ok ? parsed(hostCidr(address.value)) : parseCidr(destination);
    if (!from.ok || !to.ok) return [];
    const open = lets === 'any' ? undefined : { protocol: lets, port: Number(port) };
    return [{ source: from.value, destination: to.value, open }];
  });
}

/** Whether the first lets in all that the second does. */
function covers(one: Flow, other: Flow): boolean {
  const isWithin = cidrLength(one.destination) <= cidrLength(other.destination) && meet(one, other);
  return isWithin && (one.open === undefined || other.open !== undefined);
}

/** Whether some connection is of both. */
function meet(one: Flow, other: Flow): boolean {
  if (!cidrsOverlap(one.destination, other.destination)) return false;
  if (one.open === undefined || other.open === undefined) return true;
  return one.open.protocol === other.open.protocol && one.open.port === other.open.port;
}

function elementChange(set: NamedSet, observed: readonly string[]): readonly ElementChange[] {
  const wanted = new Set(set.elements);
  const present = new Set(observed);
  const added = set.elements.filter((element) => !present.has(element));
  const removed = observed.filter((element) => !wanted.has(element));
  return added.length + removed.length === 0 ? [] : [{ set: set.name, added, removed }];
}

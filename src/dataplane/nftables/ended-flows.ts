import { addressesIn, type IpAddress, parseAddress } from '../../net/address.ts';
import {
  type AddressRange,
  type Cidr,
  cidrBase,
  cidrContains,
  cidrFamily,
  cidrRange,
  cidrsHolding,
  hostCidr,
  parseCidr,
} from '../../net/cidr.ts';
import { parsed } from '../../net/parsed.ts';
import {
  cidrElement,
  type ElementChange,
  type Flow,
  type NamedSet,
  type ObservedRuleset,
  type Ruleset,
} from './ruleset.ts';

/** Connections that elements let in which have left, and those of the same devices that other elements still let in. */
export interface EndedFlows {
  readonly flows: readonly Flow[];
  /** What of them goes on: ranges may overlap. */
  readonly kept: readonly Flow[];
}

/** The connections that end once these elements have left. */
export function endedFlows(ruleset: Ruleset, changes: readonly ElementChange[]): EndedFlows {
  const letting = new Map(ruleset.sets.map((set) => [set.name, set.lets]));
  return stillEnded(
    ruleset,
    changes.flatMap(({ set, removed }) => flowsOf(letting.get(set), removed)),
  );
}

/**
 * Those of the connections that the ruleset does not let in. Ports of single addresses, of which there may be 100,000, are looked up;
 * only ranges, which are few, are compared one by one, and with those of the same device and port alone.
 */
export function stillEnded(ruleset: Pick<Ruleset, 'sets'>, left: readonly Flow[]): EndedFlows {
  if (left.length === 0) return { flows: [], kept: [] };
  const ranges = new Ranges(ruleset, new Set(left.map(({ source }) => source)));
  const single = singleElements(ruleset);
  const flows = left.filter((flow) => {
    const isHere =
      flow.open !== undefined && single.get(flow.open.protocol as NamedSet['lets'])?.has(elementOf(flow)) === true;
    return !isHere && !ranges.cover(flow);
  });
  return { flows, kept: stillLetIn(ruleset, flows) };
}

/** From so many devices on, one walk through the kernel's connections for all of them is worth finding out that it hits nobody else. */
const MANY = 8;

/**
 * The same connections; but where many devices' are to one port of one address, those of prefixes that hold nobody who is let in there: the kernel
 * is walked through once for each of these, and not for each device. Where nobody is, that is the whole mesh.
 */
export function mergedFlows(
  { sets }: Pick<Ruleset, 'sets'>,
  flows: readonly Flow[],
  mesh: readonly Cidr[],
): readonly Flow[] {
  const groups = [...Map.groupBy(flows, dialledBy)];
  const many = groups.filter(([, group]) => group.length >= MANY).map(([dialled]) => dialled);
  if (many.length === 0) return flows;
  const somebodys = new Somebodys(sets, new Set(many));
  return groups.flatMap(([, group]) => {
    const [first] = group;
    const others = group.length < MANY || first === undefined ? undefined : somebodys.letInTo(first);
    if (others === undefined || first === undefined) return group;
    const own = mesh.filter((cidr) => cidrFamily(cidr) === cidrFamily(first.destination));
    if (own.length === 0) return group;
    return others.length === 0 ? own.map((source) => ({ ...first, source })) : byPrefix(group, others, own);
  });
}

/** The flows of one group, of prefixes of the mesh without these others; what comes from outside of it stays by itself. */
function byPrefix(group: readonly Flow[], others: readonly IpAddress[], mesh: readonly Cidr[]): readonly Flow[] {
  const prefixOf = (source: Flow['source']) => mesh.find((cidr) => cidrContains(cidr, source as IpAddress));
  return [...Map.groupBy(group, ({ source }) => prefixOf(source))].flatMap(([within, flows]) => {
    const [first] = flows;
    if (within === undefined || first === undefined) return flows;
    const own = new Map(flows.map((flow) => [flow.source, flow]));
    const prefixes = cidrsHolding([...own.keys()] as IpAddress[], others);
    return prefixes.map((source) => {
      const base = cidrBase(source);
      // One that is alone stays the very flow that it was: whoever asked knows it by that.
      const alone = hostCidr(base) === source ? own.get(base) : undefined;
      return alone ?? { ...first, source };
    });
  });
}

function dialledBy({ destination, open }: Flow): string {
  return `${cidrElement(destination)} ${openOf({ open })}`;
}

/** The ranges of the sets, each once, as some device's. */
function distinctRanges(sets: readonly NamedSet[]): readonly Flow[] {
  const found = new Map<string, readonly Flow[]>();
  for (const { lets, interval, elements } of sets) {
    if (!interval) continue;
    for (const element of elements) {
      const dialled = `${lets} ${element.slice(element.indexOf(' . '))}`;
      if (!found.has(dialled)) found.set(dialled, flowsOf(lets, [element]));
    }
  }
  return [...found.values()].flat();
}

const ANY_PORT = { open: undefined };

function openOf({ open }: Pick<Flow, 'open'>): string {
  return `${open?.protocol} ${open?.port}`;
}

/** Who is let in to what many devices have dialled. */
class Somebodys {
  /** By port of one address. */
  readonly #single: ReadonlyMap<string, readonly IpAddress[]>;
  /** Each once, however many devices are let in there, by port. */
  readonly #ranges: ReadonlyMap<string, readonly Ranged[]>;

  constructor(sets: readonly NamedSet[], dialled: ReadonlySet<string>) {
    const single = new Map<string, IpAddress[]>();
    for (const { lets, interval, elements } of sets) {
      if (lets === undefined || interval) continue;
      for (const element of elements) {
        const [source = '', destination, port] = element.split(' . ');
        const key = `${destination} ${lets} ${port}`;
        if (!dialled.has(key)) continue;
        const sources = single.get(key) ?? [];
        single.set(key, sources);
        sources.push(...addressesIn([source]));
      }
    }
    this.#single = single;
    this.#ranges = Map.groupBy(distinctRanges(sets).map(ranged), ({ flow }) => openOf(flow));
  }

  /** The devices that are; undefined where that is not known: of a whole range that is dialled, or where one is let in to a range around it. */
  letInTo(flow: Flow): readonly IpAddress[] | undefined {
    if (cidrElement(flow.destination) === flow.destination || flow.open === undefined) return undefined;
    const own = ranged(flow);
    const isRanged = [ANY_PORT, flow].some(
      (near) => this.#ranges.get(openOf(near))?.some((one) => meet(one, own)) === true,
    );
    return isRanged ? undefined : (this.#single.get(dialledBy(flow)) ?? []);
  }
}

/** What of the observed elements lets something in that these sets do not. Nothing is added: they may hold more than was ever wished. */
export function surplusElements(
  sets: readonly NamedSet[],
  { elements }: Pick<ObservedRuleset, 'elements'>,
): readonly ElementChange[] {
  const setOf = new Map<Flow, { readonly set: string; readonly element: string }>();
  for (const { name: set, lets } of sets)
    for (const element of elements.get(set) ?? [])
      for (const flow of flowsOf(lets, [element])) setOf.set(flow, { set, element });
  const surplus = stillEnded({ sets }, [...setOf.keys()]).flows.flatMap((flow) => setOf.get(flow) ?? []);
  const bySet = Map.groupBy(surplus, ({ set }) => set);
  return [...bySet].map(([set, all]) => ({ set, added: [], removed: all.map(({ element }) => element) }));
}

/** What of the ranges that end is let in by something narrower. Whatever meets a single port of one address covers it. */
function stillLetIn(ruleset: Pick<Ruleset, 'sets'>, flows: readonly Flow[]): readonly Flow[] {
  const wide = Map.groupBy(
    flows.filter(({ open, destination }) => open === undefined || cidrElement(destination) === destination).map(ranged),
    ({ flow }) => flow.source,
  );
  if (wide.size === 0) return [];
  return staying(ruleset.sets, new Set(wide.keys())).filter((stays) => {
    const one = ranged(stays);
    return wide.get(stays.source)?.some((other) => meet(one, other)) === true;
  });
}

/** A flow with the addresses that it goes to, as numbers. */
interface Ranged {
  readonly flow: Flow;
  readonly range: AddressRange;
}

/** The ranges that devices may reach, by device and port. */
class Ranges {
  readonly #byPort: ReadonlyMap<string, readonly Ranged[]>;

  constructor({ sets }: Pick<Ruleset, 'sets'>, sources: ReadonlySet<string>) {
    const all = staying(
      sets.filter(({ interval }) => interval),
      sources,
    );
    this.#byPort = Map.groupBy(all.map(ranged), ({ flow }) => portOf(flow));
  }

  /** Whether one of them lets in all of the flow. */
  cover(flow: Flow): boolean {
    const { source, open } = flow;
    const near = [portOf({ source, open: undefined }), ...(open === undefined ? [] : [portOf(flow)])];
    const found = near.flatMap((port) => this.#byPort.get(port) ?? []);
    if (found.length === 0) return false;
    const { range } = ranged(flow);
    return found.some(
      ({ range: one }) => one.family === range.family && one.first <= range.first && range.last <= one.last,
    );
  }
}

function portOf({ source, open }: Pick<Flow, 'source' | 'open'>): string {
  return `${source} ${openOf({ open })}`;
}

function ranged(flow: Flow): Ranged {
  return { flow, range: cidrRange(flow.destination) };
}

/** What the sets let these devices reach. */
function staying(sets: readonly NamedSet[], sources: ReadonlySet<string>): readonly Flow[] {
  const own = (element: string) => sources.has(element.slice(0, element.indexOf(' ')));
  return sets.flatMap(({ lets, elements }) => (lets === undefined ? [] : flowsOf(lets, elements.filter(own))));
}

function singleElements({ sets }: Pick<Ruleset, 'sets'>): ReadonlyMap<NamedSet['lets'], ReadonlySet<string>> {
  const found = new Map<NamedSet['lets'], Set<string>>();
  for (const { lets, interval, elements } of sets) {
    if (lets === undefined || interval) continue;
    const all = found.get(lets) ?? new Set();
    for (const element of elements) all.add(element);
    found.set(lets, all);
  }
  return found;
}

function elementOf({ source, destination, open }: Flow): string {
  return `${source} . ${cidrElement(destination)} . ${open?.port}`;
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

/** Whether some connection is of both. */
function meet({ flow: one, range: a }: Ranged, { flow: other, range: b }: Ranged): boolean {
  const isOnePort =
    one.open === undefined ||
    other.open === undefined ||
    (one.open.port === other.open.port && one.open.protocol === other.open.protocol);
  return isOnePort && a.family === b.family && a.first <= b.last && b.first <= a.last;
}

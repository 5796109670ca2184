import { type AddressRange, type Cidr, cidrBase, cidrRange, hostCidr } from '../../net/cidr.ts';
import type { Flow } from './ruleset.ts';

/** One device's connections to one address, of one port unless all: what a listing of connections tells, once for each. */
export function flowKey(flow: Flow): string {
  return `${flow.source} ${dialledKey(flow)}`;
}

/** Whether the flow is of all devices in a prefix, and not of one. */
function isOfPrefix({ source }: Flow): boolean {
  return source.includes('/');
}

/**
 * Flows that connections are looked for among, one at a time: a table has a million connections, and thousands of flows may end. Those to one
 * port of one address are looked up; only ranges, which are few, are compared one by one, and their ports before their addresses.
 */
export class FlowIndex {
  readonly #single: ReadonlySet<string>;
  /** Of each device. */
  readonly #ranges: ReadonlyMap<string, readonly Compared[]>;
  /** Of prefixes, by what is dialled; under `undefined` those to ranges. */
  readonly #merged: ReadonlyMap<string | undefined, readonly Compared[]>;

  constructor(flows: readonly Flow[]) {
    const own = flows.filter((flow) => !isOfPrefix(flow));
    this.#single = new Set(own.filter(isSingle).map(flowKey));
    const wide = own.filter((flow) => !isSingle(flow)).map(compared);
    this.#ranges = Map.groupBy(wide, ({ flow }) => flow.source);
    this.#merged = Map.groupBy(flows.filter(isOfPrefix).map(compared), ({ flow }) =>
      isSingle(flow) ? dialledKey(flow) : undefined,
    );
  }

  /** Whether this connection, of one device to one address, is of a flow of its device. */
  has(connection: Flow): boolean {
    if (this.#single.has(flowKey(connection))) return true;
    return this.#ranges.get(connection.source)?.some((one) => isDialled(one, connection)) === true;
  }

  /** The flow of a prefix that this connection is of. */
  merged(connection: Flow): Flow | undefined {
    const near = [dialledKey(connection), undefined].flatMap((key) => this.#merged.get(key) ?? []);
    if (near.length === 0) return undefined;
    const from = cidrRange(flowSourceCidr(connection));
    return near.find((one) => isWithin(from, one.from) && isDialled(one, connection))?.flow;
  }
}

/** A flow with the addresses that it comes from and goes to, as numbers. */
interface Compared {
  readonly flow: Flow;
  readonly from: AddressRange;
  readonly to: AddressRange;
}

function compared(flow: Flow): Compared {
  return { flow, from: cidrRange(flowSourceCidr(flow)), to: cidrRange(flow.destination) };
}

/** The addresses that the flow comes from. */
export function flowSourceCidr({ source }: Flow): Cidr {
  return source.includes('/') ? (source as Cidr) : hostCidr(source as Exclude<Flow['source'], Cidr>);
}

function isSingle({ destination, open }: Flow): boolean {
  return open !== undefined && hostCidr(cidrBase(destination)) === destination;
}

function isDialled({ flow: { open }, to }: Compared, connection: Flow): boolean {
  const dialled = connection.open;
  if (open !== undefined && (open.port !== dialled?.port || open.protocol !== dialled?.protocol)) return false;
  return isWithin(cidrRange(connection.destination), to);
}

function isWithin(one: AddressRange, whole: AddressRange): boolean {
  return one.family === whole.family && whole.first <= one.first && one.last <= whole.last;
}

function dialledKey({ destination, open }: Flow): string {
  return `${destination} ${open?.protocol} ${open?.port}`;
}

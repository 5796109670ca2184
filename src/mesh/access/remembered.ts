import type { Namespace, Service } from '../../api/core.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import {
  type AccessGateway,
  type AccessMember,
  addedUp,
  type Granted,
  MOST_OF_A_GRANT,
  NOTHING_GRANTED,
  type Opened,
  openedInTurn,
  opening,
  openings,
} from './access.ts';
import type { AccessWorld, AnyAccess } from './resolve.ts';

/** What grants are made of now, as the caller holds it: an object that has not changed is the very same as before. */
export interface PresentObjects {
  readonly members: readonly AccessMember[];
  readonly services: Iterable<Service>;
  readonly namespaces: Iterable<Namespace>;
  readonly accesses: Iterable<AnyAccess>;
  readonly now: number;
}

/** What a grant opened, and what it was seen in. */
interface Remembered {
  readonly opened: Opened;
  readonly isAsSeen: (world: AccessWorld) => boolean;
}

/**
 * `granted` again and again. A grant is resolved anew only when it has changed or something in a namespace that it looks into has: among ten
 * thousand, one that comes costs what it opens itself, and of the others the adding up.
 */
export class RememberedGrants {
  readonly #members = new Groups<AccessMember>(({ peer }) => peer.metadata.namespace);
  readonly #services = new Groups<Service>(({ metadata }) => metadata.namespace);
  /** One list of names; the namespaces themselves are looked up. */
  readonly #names = new Groups<string>(() => '');
  #peers = new Map<readonly AccessMember[], readonly MeshPeer[]>();
  #before: ReadonlyMap<MeshPeer, AccessMember> = new Map();
  #gateway = '';
  #remembered: ReadonlyMap<AnyAccess, Remembered> = new Map();

  /** All that is granted at the gateway now. */
  granted(gateway: AccessGateway, objects: PresentObjects): Granted {
    if (gateway.accessDefault === 'Allow') return NOTHING_GRANTED;
    const at = JSON.stringify(gateway);
    const before = at === this.#gateway ? this.#remembered : new Map<AnyAccess, Remembered>();
    const after = new Map<AnyAccess, Remembered>();
    const members = this.#sameAsBefore(objects.members);
    const world = this.#world(members, objects);
    const reading = readingWorld(world);
    const open = opening(gateway, members, reading.world);
    const remembering = (access: AnyAccess, most: number): Opened => {
      let known = before.get(access);
      if (known?.isAsSeen(world) !== true || openings(known.opened) > most)
        known = { opened: open(access, most), isAsSeen: reading.sinceLast() };
      // What there was no room for may find some.
      if (most === MOST_OF_A_GRANT || !known.opened.isCut) after.set(access, known);
      return known.opened;
    };
    const granted = addedUp(openedInTurn(gateway, objects, remembering));
    this.#gateway = at;
    this.#remembered = after;
    return granted;
  }

  #sameAsBefore(members: readonly AccessMember[]): readonly AccessMember[] {
    const same = members.map((member) => {
      const before = this.#before.get(member.peer);
      return before?.addresses.join() === member.addresses.join() ? before : member;
    });
    this.#before = new Map(same.map((member) => [member.peer, member]));
    return same;
  }

  #world(members: readonly AccessMember[], { services, namespaces }: PresentObjects): AccessWorld {
    const inside = this.#members.renewed(members);
    const offered = this.#services.renewed(services);
    const known = new Map([...namespaces].map((namespace) => [namespace.metadata.name, namespace]));
    const names = this.#names.renewed(known.keys()).get('') ?? NOBODY;
    this.#peers = new Map(
      [...inside.values()].map((group) => [group, this.#peers.get(group) ?? group.map(({ peer }) => peer)]),
    );
    return {
      namespaces: names,
      namespace: (name) => known.get(name),
      peersIn: (namespace) => this.#peers.get(inside.get(namespace) ?? NOBODY) ?? NOBODY,
      servicesIn: (namespace) => offered.get(namespace) ?? NOBODY,
    };
  }
}

const NOBODY: readonly never[] = [];

/** Things by namespace. A group in which nothing has changed is the very list that it was before. */
class Groups<T> {
  readonly #namespaceOf: (one: T) => string | undefined;
  #groups: ReadonlyMap<string, readonly T[]> = new Map();

  constructor(namespaceOf: (one: T) => string | undefined) {
    this.#namespaceOf = namespaceOf;
  }

  renewed(all: Iterable<T>): ReadonlyMap<string, readonly T[]> {
    const before = this.#groups;
    const groups = Map.groupBy(all, (one) => this.#namespaceOf(one) ?? '');
    this.#groups = new Map([...groups].map(([name, group]) => [name, sameList(before.get(name), group)]));
    return this.#groups;
  }
}

function sameList<T>(before: readonly T[] | undefined, after: readonly T[]): readonly T[] {
  if (before?.length !== after.length) return after;
  return before.every((one, index) => one === after[index]) ? before : after;
}

/** A world that notes what is asked of it. `sinceLast` forms from it the question whether another world would answer the same. */
function readingWorld(world: AccessWorld) {
  let reads: ((other: AccessWorld) => boolean)[] = [];
  const noted = <T>(read: (one: AccessWorld) => T): T => {
    const found = read(world);
    reads.push((other) => read(other) === found);
    return found;
  };
  const reading: AccessWorld = {
    get namespaces() {
      return noted((one) => one.namespaces);
    },
    namespace: (name) => noted((one) => one.namespace(name)),
    peersIn: (name) => noted((one) => one.peersIn(name)),
    servicesIn: (name) => noted((one) => one.servicesIn(name)),
  };
  return {
    world: reading,
    sinceLast: () => {
      const asked = reads;
      reads = [];
      return (other: AccessWorld) => asked.every((isSame) => isSame(other));
    },
  };
}

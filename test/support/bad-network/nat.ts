/** How a translator forgets. */
export interface NatRules {
  /** A mapping that carried nothing for so long, in milliseconds, is gone. Undefined: it stays. */
  readonly idleMs?: number | undefined;
}

/** A mapping of a sender inside to a port outside; each `id` stands for another port. */
interface Mapping {
  readonly id: number;
  readonly inside: string;
  readonly usedAt: number;
}

/** A translator's table: endpoint-dependent on nothing but the sender, as most home routers. */
export interface NatTable {
  readonly mappings: readonly Mapping[];
  readonly nextId: number;
}

export const EMPTY_NAT: NatTable = { mappings: [], nextId: 1 };

/** A packet from inside uses its sender's mapping, or makes one. */
export function outbound(
  table: NatTable,
  inside: string,
  now: number,
  rules: NatRules,
): { readonly table: NatTable; readonly id: number } {
  const alive = forgotten(table, now, rules);
  const found = alive.mappings.find((mapping) => mapping.inside === inside);
  const id = found?.id ?? alive.nextId;
  const others = alive.mappings.filter((mapping) => mapping !== found);
  return {
    table: { mappings: [...others, { id, inside, usedAt: now }], nextId: Math.max(alive.nextId, id + 1) },
    id,
  };
}

/** Who inside gets a packet that came to a mapping's port; undefined when the mapping is gone. It counts as use. */
export function inbound(
  table: NatTable,
  id: number,
  now: number,
  rules: NatRules,
): { readonly table: NatTable; readonly inside: string | undefined } {
  const alive = forgotten(table, now, rules);
  const found = alive.mappings.find((mapping) => mapping.id === id);
  if (found === undefined) return { table: alive, inside: undefined };
  const others = alive.mappings.filter((mapping) => mapping !== found);
  return { table: { ...alive, mappings: [...others, { ...found, usedAt: now }] }, inside: found.inside };
}

/** The translator restarts: what it had mapped is gone, and who sends next gets another port. */
export function rebound(table: NatTable): NatTable {
  return { ...table, mappings: [] };
}

/** The table without those who were silent for too long. */
export function forgotten(table: NatTable, now: number, { idleMs }: NatRules): NatTable {
  if (idleMs === undefined) return table;
  return { ...table, mappings: table.mappings.filter(({ usedAt }) => now - usedAt < idleMs) };
}

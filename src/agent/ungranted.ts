import { endedFlows, surplusElements } from '../dataplane/nftables/ended-flows.ts';
import type { ElementChange, NamedSet, ObservedRuleset } from '../dataplane/nftables/ruleset.ts';
import type { Operation } from '../dataplane/operation.ts';
import { type AccessGateway, NOTHING_GRANTED } from '../mesh/access/access.ts';
import { grantSets } from '../mesh/access/sets.ts';
import type { PeerTable } from '../mesh/peer-table.ts';
import type { Cidr } from '../net/cidr.ts';
import type { GrantedAccess } from './granted-access.ts';

/** What of a table opens something that no grant opens any more. */
export interface Ungranted {
  readonly changes: readonly ElementChange[];
  readonly operations: readonly Operation[];
  /** The most that may still be granted. */
  readonly sets: readonly NamedSet[];
}

/** Leads wherever a grant may ask, for a gateway about which nobody has decided where it leads. */
const ANYWHERE = ['0.0.0.0/0', '::/0'] as Cidr[];

/**
 * What has to leave the table though there is no plan for it: a grant ends by its own word, whatever becomes of the gateway. Undefined
 * until everything that grants has been seen.
 */
export function ungranted(
  observed: ObservedRuleset,
  at: {
    readonly gateway: string;
    readonly access: Pick<GrantedAccess, 'isKnown' | 'granted'>;
    readonly table: PeerTable;
    readonly now: number;
  },
): Ungranted | undefined {
  const hasGrants = grantSets(NOTHING_GRANTED).some(({ name }) => (observed.elements.get(name) ?? []).length > 0);
  if (!hasGrants) return { changes: [], operations: [], sets: [] };
  const gateway: AccessGateway = {
    name: at.gateway,
    accessDefault: 'Deny',
    serviceCidrs: ANYWHERE,
    routedCidrs: ANYWHERE,
  };
  if (!at.access.isKnown(gateway)) return undefined;
  const sets = grantSets(at.access.granted(gateway, at.table, at.now));
  const changes = surplusElements(sets, observed);
  if (changes.length === 0) return { changes, operations: [], sets };
  const { table } = observed;
  const operations: readonly Operation[] = [
    { kind: 'change-elements', table, changes },
    { kind: 'end-flows', ...endedFlows({ table, sets, chains: [] }, changes) },
  ];
  return { changes, operations, sets };
}

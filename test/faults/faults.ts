import type { Fault } from './fault.ts';
import { API_SERVER } from './rows/api-server.ts';
import { CROWDS } from './rows/crowds.ts';
import { MOST_NODES } from './rows/most-nodes.ts';
import { NEIGHBOURS } from './rows/neighbours.ts';
import { NODE_STATE } from './rows/node-state.ts';
import { NODES_THAT_GO } from './rows/nodes.ts';
import { PARTITION } from './rows/partition.ts';
import { PEERS_FAULTS } from './rows/peers.ts';
import { PROGRAMS_OF_OURS } from './rows/programs-of-ours.ts';
import { WAYS_TO_SERVICES } from './rows/services.ts';

/** Those that are tried on two gateway nodes. */
export const OF_TWO_NODES: readonly Fault[] = [
  ...PROGRAMS_OF_OURS,
  ...API_SERVER,
  ...NODE_STATE,
  ...WAYS_TO_SERVICES,
  ...NEIGHBOURS,
  ...NODES_THAT_GO,
  ...CROWDS,
  ...PEERS_FAULTS,
];

/** Those that take four. */
export const OF_FOUR_NODES: readonly Fault[] = [...MOST_NODES, PARTITION];

/** All faults, as docs/reliability.md has them. */
export const FAULTS: readonly Fault[] = [...OF_TWO_NODES, ...OF_FOUR_NODES];

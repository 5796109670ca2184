import type { Fault } from './fault.ts';
import { API_SERVER } from './rows/api-server.ts';
import { NEIGHBOURS } from './rows/neighbours.ts';
import { NODE_STATE } from './rows/node-state.ts';
import { NODES_THAT_GO } from './rows/nodes.ts';
import { PEERS_FAULTS } from './rows/peers.ts';
import { PROGRAMS_OF_OURS } from './rows/programs-of-ours.ts';

/** All faults, as docs/reliability.md has them. */
export const FAULTS: readonly Fault[] = [
  ...PROGRAMS_OF_OURS,
  ...API_SERVER,
  ...NODE_STATE,
  ...NEIGHBOURS,
  ...NODES_THAT_GO,
  ...PEERS_FAULTS,
];

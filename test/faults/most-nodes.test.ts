import { OF_THREE_NODES } from './faults.ts';
import { tryFaults } from './trial.ts';

// What answers is a pod on the node that stays.
tryFaults({
  name: 'most-nodes',
  kernels: ['shared', 'shared', 'shared'],
  answersOn: 'node-3',
  faults: OF_THREE_NODES,
});

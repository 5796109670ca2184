import { OF_FOUR_NODES } from './faults.ts';
import { tryFaults } from './trial.ts';

// What answers is a pod on a node that stays.
tryFaults({
  name: 'most-nodes',
  kernels: ['shared', 'shared', 'shared', 'shared'],
  answersOn: 'node-4',
  faults: OF_FOUR_NODES,
});

import { nodeKernels } from '../lab/node-kernels.ts';
import { NODES } from './fault.ts';
import { OF_TWO_NODES } from './faults.ts';
import { tryFaults } from './trial.ts';

// What answers is a pod beside wireguard-go, so that a guest has to forward and nothing else.
tryFaults({ name: 'faults', kernels: nodeKernels('mixed'), answersOn: NODES.userspace, faults: OF_TWO_NODES });

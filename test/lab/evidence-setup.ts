import { clustersHere } from './clusters-here.ts';
import { collectEvidence } from './evidence.ts';
import { leaveEvidence } from './evidence-hooks.ts';

leaveEvidence(() =>
  [...clustersHere].map((cluster) => ({
    name: cluster.name,
    collect: (folder) => collectEvidence(cluster, folder),
  })),
);

import { relative } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { clustersOf, MOST_CLUSTERS } from '../../scripts/support/lanes.ts';
import { inProject } from '../../scripts/support/paths.ts';
import { takeClusterSlots } from './cluster-slots.ts';

/*
 * A file of tests waits for room for its clusters before anything of it runs. Where the order of files has left clusters alone for the end,
 * another one would make all of them slower, and may take the last inotify instance.
 */

beforeAll(() => {
  const file = relative(inProject(), expect.getState().testPath ?? '');
  // What this resolves with is called after all hooks of the file.
  return takeClusterSlots(clustersOf(file), { most: MOST_CLUSTERS });
});

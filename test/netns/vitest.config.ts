import { defineConfig } from 'vitest/config';

/** Real packets and the real `wg`, `ip` and `nft` in network namespaces that each test makes and removes; needs root. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: ['test/netns/**/*.test.ts'],
    setupFiles: ['test/netns/evidence-setup.ts'],
    // Evidence of a failure is taken before the file's own hooks remove what it is about.
    sequence: { hooks: 'list' },
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});

import { defineConfig } from 'vitest/config';

/** Real packets and the real `wg`, `ip` and `nft` in network namespaces that each test makes and removes; needs root. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: ['test/netns/**/*.test.ts'],
    setupFiles: ['test/netns/evidence-setup.ts'],
    // Evidence of a failure is taken before anything removes what it is about.
    runner: 'test/lab/evidence-runner.ts',
    sequence: { hooks: 'list' },
    fileParallelism: false,
    // As long as it takes on a machine that computes something else.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 30_000,
    // Longer than evidence may take.
    hookTimeout: 90_000,
  },
});

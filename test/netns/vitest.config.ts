import { defineConfig } from 'vitest/config';

/** Real packets and the real `wg`, `ip` and `nft` in network namespaces that each test makes and removes; needs root. */
export default defineConfig({
  test: {
    include: ['test/netns/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});

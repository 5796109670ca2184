import { defineConfig } from 'vitest/config';

/** The ring of a real kernel with WireGuard: User-Mode Linux guests, each of which has one processor; here one file at a time. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: ['test/kernel/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    // Where nobody prepared it, the kernel is built first.
    hookTimeout: 30 * 60_000,
  },
});

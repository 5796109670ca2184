import { defineConfig } from 'vitest/config';
import { isStock, SLOWNESS } from './machine.ts';

/** The ring of a real kernel with WireGuard: User-Mode Linux guests, each of which has one processor; here one file at a time. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    // The stock kernel is the reference for packets alone: everything else would take hours there.
    include: isStock() ? ['test/kernel/{guest,packets}.test.ts'] : ['test/kernel/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    // As long as it takes on a machine that computes something else.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 60_000 * SLOWNESS,
    // Where nobody prepared it, the kernel is built first.
    hookTimeout: 30 * 60_000,
  },
});

import { defineConfig } from 'vitest/config';

/**
 * The everyday ring only: pure code and local fakes. Rings that need namespaces or a cluster
 * have their own configuration beside their tests, and `npm test` runs all of them.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/netns/**', 'test/kernel/**', 'test/lab/**', 'test/faults/**', 'test/bench/**', 'node_modules/**'],
    // Some wait for what takes seconds, and longer where others compute.
    testTimeout: 30_000,
    expect: { poll: { timeout: 5_000 } },
    // Some build a program first, which takes long where others compute.
    hookTimeout: 60_000,
    restoreMocks: true,
    // No test mocks a module or leaves state in one, so files may share a worker.
    isolate: false,
    // Much of it waits for local servers and programs, so four files more than a small machine has cores.
    maxWorkers: 6,
  },
});

import { defineConfig } from 'vitest/config';

/** The ring of a real cluster, here one file at a time; `npm test` runs something beside it (test/side-by-side). */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: ['test/lab/**/*.test.ts', 'test/faults/**/*.test.ts'],
    globalSetup: ['test/lab/image-setup.ts'],
    setupFiles: ['test/lab/slots-setup.ts', 'test/lab/evidence-setup.ts'],
    // Evidence of a failure is taken before anything removes what it is about.
    runner: 'test/lab/evidence-runner.ts',
    sequence: { hooks: 'list' },
    pool: 'forks',
    fileParallelism: false,
    // As long as it takes on a machine that computes something else.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 120_000,
    // The first start of all builds Kubernetes.
    hookTimeout: 45 * 60_000,
    restoreMocks: true,
  },
});

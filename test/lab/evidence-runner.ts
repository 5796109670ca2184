import { type RunnerTestCase, TestRunner } from 'vitest';
import { evidenceOf } from './evidence-hooks.ts';

/** Runs tests as ever, and takes the evidence of a failure before any `afterEach`, the innermost too, removes what it is about. */
// biome-ignore lint/style/noDefaultExport: vitest takes the default export of its `runner`.
export default class EvidenceRunner extends TestRunner {
  onTaskFinished(test: RunnerTestCase): Promise<void> {
    return evidenceOf(test, `${test.file.name}-${test.name}`);
  }
}

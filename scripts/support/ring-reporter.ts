import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';
import type { FileReport, RingReport, TestReport } from './ring-report.ts';

/** Names the file that the report of a run goes to. */
export const REPORT_VARIABLE = 'SALLYPORT_RING_REPORT';

/** So many characters of an error are told at the end; vitest has printed all of it by then. */
const LONGEST = 300;

/** A reporter of vitest's that writes what scripts/test.ts tells at the end; unlike the json reporter it knows why a test was skipped. */
export class RingReporter implements Reporter {
  /** What runs for a while says that it does: files of rings that go side by side. */
  onTestModuleStart(module: TestModule): void {
    if (module.project.name !== '') console.log(` ▸ |${module.project.name}| ${module.relativeModuleId} runs`);
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env[REPORT_VARIABLE];
    if (file === undefined) return;
    const report: RingReport = { files: modules.map(fileReport), unhandled: unhandled.map(withOrigin) };
    writeFileSync(file, JSON.stringify(report));
  }
}

function fileReport(module: TestModule): FileReport {
  const { duration, collectDuration } = module.diagnostic();
  return {
    path: module.relativeModuleId,
    ring: module.project.name,
    failed: !module.ok(),
    errors: [module, ...module.children.allSuites()].flatMap((part) => part.errors()).map(firstLine),
    seconds: (duration + collectDuration) / 1000,
    titles: [...module.children].map(({ name }) => name),
    tests: [...module.children.allTests()].map(testReport),
  };
}

function testReport(test: TestCase): TestReport {
  const { state, ...result } = test.result();
  const why = 'note' in result ? result.note : result.errors?.map(firstLine).join('; ');
  return { name: test.fullName, state, ...(why === undefined ? {} : { why }) };
}

/** With the file that ran when it was noticed, which may be the one after the file that it is of. */
function withOrigin(error: SerializedError): string {
  const { VITEST_TEST_PATH: path } = error;
  return typeof path === 'string'
    ? `${firstLine(error)} (while ${relative(process.cwd(), path)} ran)`
    : firstLine(error);
}

function firstLine({ name, message }: SerializedError): string {
  return `${name ?? 'Error'}: ${message.split('\n', 1)[0]}`.slice(0, LONGEST);
}

// biome-ignore lint/style/noDefaultExport: vitest takes a reporter by its file's default export.
export default RingReporter;

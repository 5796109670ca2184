import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { sideBySide, WORKERS } from '../../scripts/support/lanes.ts';
import kernel from '../kernel/vitest.config.ts';
import lab from '../lab/vitest.config.ts';
import netns from '../netns/vitest.config.ts';

class LanesSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const order = sideBySide(files.map(pathOf));
    return files.toSorted((one, other) => order.indexOf(pathOf(one)) - order.indexOf(pathOf(other)));
  }
}

/** The rings that need namespaces of this machine, as projects of one run. Each has a configuration of its own for a run of a single file. */
export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    maxWorkers: WORKERS,
    sequence: { sequencer: LanesSequencer },
    projects: [project('netns', netns), project('kernel', kernel), project('lab', lab)],
  },
});

function project(name: string, { test }: typeof netns): TestProjectInlineConfiguration {
  return { test: { ...test, name, fileParallelism: true, maxWorkers: WORKERS } };
}

function pathOf({ moduleId, project: { config } }: TestSpecification): string {
  return moduleId.replace(`${config.root}/`, '');
}

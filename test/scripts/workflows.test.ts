import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '..', '..');

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<
      string,
      { readonly needs?: readonly string[]; readonly 'timeout-minutes'?: number; readonly steps: readonly Step[] }
    >
  >;
}

const workflows = globSync('.github/workflows/*.yml', { cwd: ROOT })
  .sort()
  .map((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    return { file, text, workflow: parse(text) as Workflow };
  });

describe.each(workflows)('$file', ({ text, workflow }) => {
  const jobs = Object.entries(workflow.jobs);
  const steps = jobs.flatMap(([, job]) => job.steps);

  test('may only read, unless a job asks for more', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
  });

  test('pins every action by commit and says which version that is', () => {
    const used = [...text.matchAll(/uses: (.*)$/gm)].map(([, action]) => action);
    expect(used.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action ?? ''))).toEqual([]);
  });

  test('has a time limit for every job', () => {
    expect(jobs.filter(([, job]) => job['timeout-minutes'] === undefined)).toEqual([]);
  });

  test('puts nothing that others may write into a shell line', () => {
    const lines = steps.flatMap((step) => step.run ?? []);
    expect(lines.filter((line) => line.includes('${{'))).toEqual([]);
  });
});

test('the gate waits for every other job of ci', () => {
  const ci = workflows.find(({ file }) => file.endsWith('/ci.yml'))?.workflow;
  const { 'ci-ok': gate, ...others } = ci?.jobs ?? {};
  expect(gate?.needs).toEqual(Object.keys(others));
});

test('whoever runs every ring has the history that the upgrade starts from', () => {
  const jobs = workflows.flatMap(({ workflow }) => Object.values(workflow.jobs));
  const all = jobs.filter(({ steps }) => steps.some(({ run }) => run?.includes('.ci/run')));
  expect(all).toHaveLength(1);
  for (const { steps } of all)
    expect(steps.find(({ uses }) => uses?.startsWith('actions/checkout'))?.with?.['fetch-depth']).toBe(0);
});

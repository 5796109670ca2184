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

interface Job {
  readonly needs?: readonly string[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
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

/** The workflow of this name. */
function workflowOf(name: string): Workflow {
  const found = workflows.find(({ file }) => file.endsWith(`/${name}.yml`));
  if (found === undefined) throw new Error(`there is no workflow ${name}`);
  return found.workflow;
}

/** The shell lines of a job, in their order, without comments. */
function linesOf({ steps }: Job): readonly string[] {
  return steps
    .flatMap(({ run = '' }) => run.split('\n').map((line) => line.trim()))
    .filter((line) => !/^(#|$)/.test(line));
}

test.each(['ci', 'nightly', 'release'])('%s fails on any finding of npm audit, in a job that may only read', (name) => {
  const auditing = Object.values(workflowOf(name).jobs).filter((job) => linesOf(job).includes('npm audit'));
  expect(auditing.map(({ permissions }) => permissions)).toEqual([undefined]);
});

describe('a release', () => {
  const { artifacts, ...others } = workflowOf('release').jobs;
  const lines = artifacts === undefined ? [] : linesOf(artifacts);
  const at = (part: RegExp) => lines.findIndex((line) => part.test(line));

  test('waits for its checks, and what they run may only read', () => {
    expect(artifacts?.needs).toEqual(Object.keys(others));
    expect(Object.values(others).map(({ permissions }) => permissions)).toEqual([undefined]);
    expect(at(/npm test/)).toBe(-1);
  });

  test('runs no privileged container beside its right to sign and to push', () => {
    expect(artifacts?.permissions).toMatchObject({ 'id-token': 'write', packages: 'write' });
    expect(lines.filter((line) => /--privileged|docker run/.test(line))).toEqual([]);
  });

  test('says in the package where it is from, for npm takes the provenance of no other', () => {
    const set = at(/^npm pkg set .*repository\.url="git\+\$GITHUB_SERVER_URL\/\$GITHUB_REPOSITORY\.git"$/);
    expect(set).toBeGreaterThan(-1);
    expect(at(/^npm pack /)).toBeGreaterThan(set);
    expect(at(/^npm publish .* --provenance$/)).toBeGreaterThan(at(/^npm pack /));
  });

  test('tells what the command line is made of before all of it is attested', () => {
    const written = artifacts?.steps.findIndex(({ run }) => run?.includes('node scripts/sbom.ts > "release/')) ?? -1;
    const attested = artifacts?.steps.findIndex(({ with: input }) => input?.['subject-path'] === 'release/*') ?? -1;
    expect(written).toBeGreaterThan(-1);
    expect(attested).toBeGreaterThan(written);
  });
});

test('the gate waits for every other job of ci', () => {
  const { 'ci-ok': gate, ...others } = workflowOf('ci').jobs;
  expect(gate?.needs).toEqual(Object.keys(others));
});

test('whoever runs every ring has the history that the upgrade starts from', () => {
  const jobs = workflows.flatMap(({ workflow }) => Object.values(workflow.jobs));
  const all = jobs.filter(({ steps }) => steps.some(({ run }) => run?.includes('.ci/run')));
  expect(all).toHaveLength(1);
  for (const { steps } of all)
    expect(steps.find(({ uses }) => uses?.startsWith('actions/checkout'))?.with?.['fetch-depth']).toBe(0);
});

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '..', '..');

interface Step {
  readonly id?: string;
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

/** How a workflow asks for a value. */
function expression(text: string): string {
  return `\${{ ${text} }}`;
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

  test('builds the image with provenance and a bill of materials, and attests it, by its digest, beside it in the registry', () => {
    const steps = artifacts?.steps ?? [];
    const built = steps.findIndex(({ run }) => run?.includes('docker buildx build'));
    const command = /docker buildx build (.*)$/m
      .exec(steps[built]?.run?.replaceAll(/\\\n\s*/g, '') ?? '')?.[1]
      ?.split(/\s+/);
    const option = (name: string) => command?.[command.indexOf(name) + 1];
    expect(command).toContain('--push');
    expect([option('--sbom'), option('--provenance')]).toEqual(['true', 'mode=max']);
    expect(option('--metadata-file')).toBe('"$RUNNER_TEMP/image.json"');
    expect(steps[built]).toMatchObject({ id: 'image', run: expect.stringContaining('"digest=$(jq ') });
    const attested = steps.findIndex(({ with: input }) => input?.['subject-name'] === expression('env.IMAGE'));
    expect(attested).toBeGreaterThan(built);
    expect(steps[attested]?.uses).toMatch(/^actions\/attest-build-provenance@/);
    expect(steps[attested]?.with).toEqual({
      'subject-name': expression('env.IMAGE'),
      'subject-digest': expression('steps.image.outputs.digest'),
      'push-to-registry': true,
    });
    expect(artifacts?.permissions).toMatchObject({ attestations: 'write' });
  });

  test.each([
    ['the command line', 'cli'],
    ['the operator', 'operator'],
    ['the agent', 'agent'],
  ])('tells what %s is made of before all of it is attested', (_what, program) => {
    const steps = artifacts?.steps ?? [];
    const line = `node scripts/sbom.ts ${program} > "release/sallyport-${program}-$VERSION.cdx.json"`;
    const written = steps.findIndex(({ run }) => run?.split('\n').some((found) => found.trim() === line));
    const attested = steps.findIndex(({ with: input }) => input?.['subject-path'] === 'release/*');
    expect(written).toBeGreaterThan(-1);
    expect(attested).toBeGreaterThan(written);
    expect(steps[attested]?.uses).toMatch(/^actions\/attest-build-provenance@/);
    expect(steps.findIndex(({ run }) => run?.includes(' release/* '))).toBeGreaterThan(attested);
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

import { existsSync, globSync } from 'node:fs';
import { kernelProblem, labProblem } from './machine.ts';
import { inProject } from './paths.ts';

/** A set of tests that needs the same things of a machine. */
export interface Ring {
  readonly name: string;
  readonly says: string;
  /** Its vitest configuration from the project's top; the ring `check` has none. */
  readonly config?: string;
  /** Whether it is a project of that configuration, by its name. The projects of a configuration run side by side. */
  readonly isProject?: boolean;
  /** A script that makes what its tests need, once; from the project's top. */
  readonly prepare?: string;
  /** Why it cannot run on this machine, and what would make it run. */
  readonly problem: () => string | undefined;
  /** The longest that its tests may take to clean up once interrupted, in milliseconds. */
  readonly grace: number;
}

const SIDE_BY_SIDE = 'test/side-by-side/vitest.config.ts';

const RINGS: readonly Ring[] = [
  { name: 'check', says: 'types, lint and format', problem: () => undefined, grace: 2_000 },
  {
    name: 'everyday',
    says: 'pure code, stories and fakes; nothing outside this process',
    config: 'vitest.config.ts',
    prepare: 'scripts/support/build-helm.ts',
    problem: () => undefined,
    grace: 5_000,
  },
  {
    name: 'netns',
    says: 'real packets through real WireGuard and nftables, in network namespaces',
    config: SIDE_BY_SIDE,
    isProject: true,
    prepare: 'scripts/support/build-lab.ts',
    problem: labProblem,
    grace: 20_000,
  },
  {
    name: 'kernel',
    says: 'real WireGuard in a real kernel, built from source and booted as a program',
    config: SIDE_BY_SIDE,
    isProject: true,
    prepare: 'scripts/support/build-lab.ts',
    problem: kernelProblem,
    grace: 20_000,
  },
  {
    name: 'lab',
    says: 'a real Kubernetes cluster with several nodes on this machine',
    config: SIDE_BY_SIDE,
    isProject: true,
    prepare: 'scripts/support/build-lab.ts',
    problem: labProblem,
    grace: 90_000,
  },
];

/** The rings in their order, the cheapest first. One whose folder holds no test is not a ring. */
export function rings(): readonly Ring[] {
  return RINGS.filter(({ name, config }) => {
    if (config === undefined) return true;
    const tests = name === 'everyday' ? 'test/**/*.test.ts' : `test/${name}/**/*.test.ts`;
    return existsSync(inProject(config)) && globSync(tests, { cwd: inProject() }).length > 0;
  });
}

/** The rings that run at once, in their order: those that need nothing of the machine, then those that share its namespaces. */
export function stages(wanted: readonly Ring[]): readonly (readonly Ring[])[] {
  return [...Map.groupBy(wanted, ({ isProject }) => isProject === true).values()];
}

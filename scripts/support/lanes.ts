/**
 * How long files of tests take, in seconds, when two run side by side on two cores; a file that is not here is short. Nothing but the
 * order hangs on it, so it need not be exact.
 */
const SECONDS: Readonly<Record<string, number>> = {
  'test/lab/main-job.test.ts': 80,
  'test/lab/matrix.test.ts': 340,
  'test/lab/uninstall.test.ts': 160,
  'test/lab/restart.test.ts': 130,
  'test/lab/conditions.test.ts': 110,
  'test/lab/upgrade.test.ts': 150,
  'test/lab/revocation.test.ts': 85,
  'test/lab/describe.test.ts': 130,
  'test/lab/doctor.test.ts': 130,
  'test/lab/isolation.test.ts': 60,
  'test/lab/preshared-key.test.ts': 40,
  'test/lab/join.test.ts': 150,
  'test/lab/evidence.test.ts': 35,
  'test/lab/published.test.ts': 20,
  'test/lab/smoke.test.ts': 30,
  'test/lab/full-tunnel.test.ts': 130,
  'test/lab/gateway-key.test.ts': 130,
  'test/lab/access.test.ts': 70,
  'test/lab/rotate.test.ts': 80,
  'test/kernel/host.test.ts': 100,
  'test/kernel/packets.test.ts': 65,
  'test/kernel/node-faults.test.ts': 60,
  'test/kernel/drift.test.ts': 60,
  'test/kernel/bad-network.test.ts': 30,
  'test/kernel/path.test.ts': 110,
  'test/kernel/gateway-key.test.ts': 50,
  'test/netns/bad-network.test.ts': 75,
  'test/netns/path.test.ts': 60,
  'test/netns/names.test.ts': 40,
  'test/netns/usermode.test.ts': 50,
  'test/netns/packets.test.ts': 30,
  'test/netns/full-tunnel.test.ts': 90,
  'test/netns/audit.test.ts': 40,
  'test/netns/access.test.ts': 60,
  'test/netns/gateway-key.test.ts': 45,
  'test/netns/drift.test.ts': 50,
  'test/netns/host.test.ts': 60,
  'test/netns/internet.test.ts': 30,
};
const SHORT = 10;

/** So many files of clusters run at once, which mostly wait, beside one that computes, as a guest of the kernel ring does. */
const LANES = { clusters: 2, others: 1 } as const;

/** So many files run at once. On two cores a third cluster only makes all of them slower. */
export const WORKERS = LANES.clusters + LANES.others;

/**
 * Files of tests in the order in which the workers shall take them, so that as long as possible something that computes runs beside
 * clusters; the longest first, so that the end is not one long file alone.
 */
export function sideBySide(
  files: readonly string[],
  seconds: Readonly<Record<string, number>> = SECONDS,
): readonly string[] {
  const lasts = (file: string) => seconds[file] ?? SHORT;
  const { clusters = [], others = [] } = Object.groupBy(files, (file) => (isCluster(file) ? 'clusters' : 'others'));
  return [...begun(clusters, LANES.clusters, lasts), ...begun(others, LANES.others, lasts)]
    .toSorted((one, other) => one.at - other.at)
    .map(({ file }) => file);
}

/** When each file begins if so many run at once, and whoever is free takes the longest that is left. */
function begun(files: readonly string[], lanes: number, lasts: (file: string) => number) {
  const free = Array.from({ length: lanes }, () => 0);
  return files
    .toSorted((one, other) => lasts(other) - lasts(one))
    .map((file) => {
      const at = Math.min(...free);
      free[free.indexOf(at)] = at + lasts(file);
      return { file, at };
    });
}

function isCluster(file: string): boolean {
  return file.startsWith('test/lab/');
}

/**
 * How long files of tests take, in seconds, when three run side by side on two cores; a file that is not here is short. Nothing but the
 * order hangs on it, so it need not be exact.
 */
const SECONDS: Readonly<Record<string, number>> = {
  'test/faults/faults.test.ts': 640,
  'test/faults/most-nodes.test.ts': 130,
  'test/lab/join.test.ts': 280,
  'test/lab/describe.test.ts': 275,
  'test/lab/conditions.test.ts': 250,
  'test/lab/gateway-key.test.ts': 220,
  'test/lab/access.test.ts': 195,
  'test/lab/rotate.test.ts': 180,
  'test/lab/uninstall.test.ts': 175,
  'test/lab/restart.test.ts': 175,
  'test/lab/full-tunnel.test.ts': 170,
  'test/lab/entry.test.ts': 170,
  'test/lab/matrix.test.ts': 165,
  'test/lab/doctor.test.ts': 155,
  'test/lab/isolation.test.ts': 150,
  'test/lab/preshared-key.test.ts': 120,
  'test/lab/evidence.test.ts': 115,
  'test/lab/upgrade.test.ts': 100,
  'test/lab/revocation.test.ts': 90,
  'test/lab/takeover.test.ts': 85,
  'test/lab/main-job.test.ts': 50,
  'test/lab/network-policy.test.ts': 45,
  'test/lab/smoke.test.ts': 35,
  'test/lab/published.test.ts': 20,
  'test/lab/chart-install.test.ts': 20,
  'test/kernel/host.test.ts': 85,
  'test/kernel/packets.test.ts': 70,
  'test/kernel/path.test.ts': 75,
  'test/kernel/balancer.test.ts': 80,
  'test/kernel/gateway-key.test.ts': 35,
  'test/kernel/rotating-key.test.ts': 40,
  'test/kernel/drift.test.ts': 35,
  'test/kernel/node-faults.test.ts': 35,
  'test/kernel/bad-network.test.ts': 30,
  'test/netns/access.test.ts': 200,
  'test/netns/full-tunnel.test.ts': 140,
  'test/netns/bad-network.test.ts': 90,
  'test/netns/usermode.test.ts': 55,
  'test/netns/rotating-key.test.ts': 35,
  'test/netns/host.test.ts': 50,
  'test/netns/path.test.ts': 30,
  'test/netns/balancer.test.ts': 35,
  'test/netns/flood.test.ts': 35,
  'test/netns/audit.test.ts': 35,
  'test/netns/drift.test.ts': 30,
  'test/netns/contested.test.ts': 25,
  'test/netns/other-gateway.test.ts': 25,
  'test/netns/gateway-key.test.ts': 25,
  'test/netns/foreign-firewall.test.ts': 20,
  'test/netns/packets.test.ts': 20,
};
const SHORT = 10;

/**
 * So many clusters run at once, which mostly wait. Each node takes some eleven of the 128 inotify instances that a kernel gives a user unless told
 * otherwise (fs.inotify.max_user_instances); without one, wireguard-go does not start.
 */
export const MOST_CLUSTERS = 3;

/**
 * How many clusters a file of the lab has at once, where that is not one: some have an API server alone, or nothing of a cluster. One
 * that holds a node with a kernel of its own to a second counts as two: that kernel has one processor, and its clock is late where others compute.
 */
const CLUSTERS: Readonly<Record<string, number>> = {
  // One, which must not share the processors with another: it counts every packet.
  'test/faults/faults.test.ts': MOST_CLUSTERS,
  'test/faults/most-nodes.test.ts': MOST_CLUSTERS,
  'test/lab/join.test.ts': 2,
  'test/lab/revocation.test.ts': 2,
  'test/lab/apiserver-contract.test.ts': 0,
  'test/lab/chart-install.test.ts': 0,
  'test/lab/crd-validation.test.ts': 0,
  // That of a run of its own, which waits by itself.
  'test/lab/evidence.test.ts': 0,
  'test/lab/kind.test.ts': 0,
  'test/lab/many-preshared-keys.test.ts': 0,
  'test/lab/published.test.ts': 0,
  'test/lab/remote-shell.test.ts': 0,
};

/** So many files run at once: those of clusters, beside one that computes, as a guest of the kernel ring does. */
export const WORKERS = MOST_CLUSTERS + 1;

/**
 * Files of tests in the order in which the workers shall take them: as if each lasted as long as it is known to, and whoever is free
 * took the longest one of a cluster that fits beside those that run, else the longest of the others. So something that computes runs
 * beside clusters for as long as possible, and the end is not one long file alone.
 */
export function sideBySide(
  files: readonly string[],
  seconds: Readonly<Record<string, number>> = SECONDS,
  most = MOST_CLUSTERS,
): readonly string[] {
  const lasts = (file: string) => seconds[file] ?? SHORT;
  const left = files.toSorted((one, other) => lasts(other) - lasts(one));
  const order: string[] = [];
  let running: readonly { readonly until: number; readonly clusters: number }[] = [];
  let now = 0;
  while (left.length > 0) {
    running = running.filter(({ until }) => until > now);
    if (running.length === most + 1) {
      now = Math.min(...running.map(({ until }) => until));
      continue;
    }
    const room = most - running.reduce((sum, { clusters }) => sum + clusters, 0);
    const fits = left.findIndex((file) => clustersOf(file) > 0 && clustersOf(file) <= room);
    const computes = left.findIndex((file) => clustersOf(file) === 0);
    // The workers wait for nothing, so where only clusters are left the next one is taken although there are enough.
    for (const file of left.splice(fits >= 0 ? fits : Math.max(computes, 0), 1)) {
      order.push(file);
      running = [...running, { until: now + lasts(file), clusters: clustersOf(file) }];
    }
  }
  return order;
}

/** How many clusters a file of tests has at once, by its path from the project's top. */
export function clustersOf(file: string): number {
  return /^test\/(lab|faults)\//.test(file) ? (CLUSTERS[file] ?? 1) : 0;
}

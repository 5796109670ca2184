import type { Cluster } from '../../lab/cluster.ts';

/** How long a `kubectl delete` takes by itself, in seconds, each time. */
export async function ofKubectl(cluster: Cluster, times: number): Promise<readonly number[]> {
  const seconds: number[] = [];
  for (let time = 0; time < times; time += 1) {
    await cluster.kubectl(['-n', 'demo', 'create', 'configmap', 'nobody-watches']);
    const began = performance.now();
    await cluster.kubectl(['-n', 'demo', 'delete', 'configmap', 'nobody-watches', '--wait=false']);
    seconds.push((performance.now() - began) / 1000);
  }
  return seconds;
}

import { lastLines } from './log.ts';
import type { Cluster } from './running-cluster.ts';

/** What people want to see when a cluster does not become usable: who is not ready, and the end of that part's log. */
export async function diagnosis(cluster: Cluster): Promise<string> {
  const shown = await cluster.tryKubectl(['get', 'nodes,pods', '--all-namespaces', '-o', 'wide']);
  const parts = [shown.stdout + shown.stderr];
  const ready = await readyNodes(cluster);
  for (const node of cluster.nodes.filter(({ name }) => !ready.has(name))) {
    for (const log of ['kubelet', 'containerd', 'kube-proxy']) {
      parts.push(`${log} of ${node.name}:\n${lastLines(`${node.logs}/${log}.log`)}`);
    }
  }
  const dns = ['-n', 'kube-system', 'logs', '--selector=k8s-app=kube-dns', '--prefix', '--tail=20'];
  parts.push(`CoreDNS:\n${(await cluster.tryKubectl(dns)).stdout}`);
  return parts.join('\n');
}

async function readyNodes(cluster: Cluster): Promise<ReadonlySet<string>> {
  const line = '{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}';
  const shown = await cluster.tryKubectl(['get', 'nodes', '-o', `jsonpath={range .items[*]}${line}{"\\n"}{end}`]);
  const lines = shown.stdout.split('\n').map((each) => each.split(' '));
  return new Set(lines.flatMap(([name = '', status]) => (status === 'True' ? [name] : [])));
}

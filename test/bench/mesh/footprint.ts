import { type Report, row } from '../row.ts';
import { type BenchMesh, NODES } from './bench-mesh.ts';
import { agentOn, bareNodeMb, cpuPercent, leader, rssMb, wireguardGoOn } from './processes.ts';

const IDLE_SECONDS = 30;

/** `suffix` says with how many peers. */
export function footprintRows(suffix: string): readonly string[] {
  return [
    `operator_rss_mb_${suffix}`,
    `agent_rss_mb_${suffix}`,
    `idle_cpu_percent_operator_${suffix}`,
    `idle_cpu_percent_agent_${suffix}`,
  ];
}

/** What both programs hold and take while nobody changes anything. */
export async function footprint({ mesh }: BenchMesh, suffix: string, report: Report): Promise<void> {
  const node = mesh.cluster.node(NODES[0]);
  const programs = { operator: await leader(mesh), agent: await agentOn(node) };
  const floor = await bareNodeMb((argv) =>
    // The image's own, where the agent's mounts and processes are.
    node.exec(['nsenter', '-t', programs.agent.id, '-m', '-p', 'node', ...argv]),
  );
  const wireguardGo = `wireguard-go takes another ${(await rssMb(await wireguardGoOn(node))).toFixed(0)} MB`;
  for (const [program, process] of Object.entries(programs)) {
    const more = program === 'agent' ? `; ${wireguardGo}, the kernel's WireGuard none of any process` : '';
    const says = `resident memory with ${suffix} MeshPeers${more}; floor: the same Node.js doing nothing`;
    report(row({ name: `${program}_rss_mb_${suffix}`, unit: 'MB', value: await rssMb(process), floor, n: 1, says }));
  }
  const idle = await Promise.all(
    Object.entries(programs).map(
      async ([program, process]) => [program, await cpuPercent(process, IDLE_SECONDS)] as const,
    ),
  );
  for (const [program, value] of idle) {
    const says = `of one processor in ${IDLE_SECONDS} s in which nobody changes anything, commands it ran included, with ${suffix} MeshPeers`;
    report(row({ name: `idle_cpu_percent_${program}_${suffix}`, unit: '%', value, goal: 1, n: 1, says }));
  }
}

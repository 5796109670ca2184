import type { MetricDefinition, Metrics } from './metrics.ts';

/** What every program of ours says of itself. */
export const PROGRAM_METRICS = {
  build: {
    type: 'gauge',
    name: 'sallyport_build_info',
    help: '1, with what runs as labels.',
    labels: { program: ['operator', 'agent'], version: 'the version of Sallyport', nodejs: 'the version of Node.js' },
  },
  cpu: {
    type: 'counter',
    name: 'process_cpu_seconds_total',
    help: 'CPU time that the program has used, in user and system mode.',
  },
  memory: {
    type: 'gauge',
    name: 'process_resident_memory_bytes',
    help: 'Memory that the program has in RAM, without wireguard-go where that runs.',
  },
  started: {
    type: 'gauge',
    name: 'process_start_time_seconds',
    help: 'When the program started, in seconds since 1970.',
  },
} as const satisfies Record<string, MetricDefinition>;

declare const SALLYPORT_VERSION: string | undefined;

/** Writes them; nothing else needs to be told. */
export function tellProgram(metrics: Metrics, program: 'operator' | 'agent'): void {
  const { build, cpu, memory, started } = metrics.define(PROGRAM_METRICS);
  const version = typeof SALLYPORT_VERSION === 'undefined' ? 'unbuilt' : SALLYPORT_VERSION;
  build.set({ program, version, nodejs: process.version }, 1);
  started.set({}, Math.round(Date.now() / 1_000 - process.uptime()));
  let told = 0;
  metrics.beforePage(() => {
    const { user, system } = process.cpuUsage();
    cpu.add({}, (user + system) / 1e6 - told);
    told = (user + system) / 1e6;
    memory.set({}, process.memoryUsage.rss());
  });
}

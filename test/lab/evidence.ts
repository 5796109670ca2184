import { join } from 'node:path';
import { LAPTOP, type Look, MACHINE, OBJECTS } from './evidence-list.ts';
import { COMMAND_MS, EvidenceWriter } from './evidence-writer.ts';
import { type ExecResult, run, TIED } from './exec.ts';
import { type Asked, captureFlows } from './flow-capture.ts';
import type { Laptop } from './laptop.ts';
import { copyLogs } from './logs.ts';
import type { Cluster } from './running-cluster.ts';

/**
 * Leaves in a folder what people need to find out why a test failed: all logs of the lab, our objects, what every kernel is made
 * to do, and a capture of the flow that failed. Never rejects, takes at most a minute, and notes in `missing.txt` what it could
 * not get, as with a cluster that is half up or gone.
 */
export async function collectEvidence(cluster: Cluster, folder: string): Promise<void> {
  const evidence = new EvidenceWriter(folder);
  const { signal } = evidence;
  const machines = [...cluster.nodes.map(at('nodes', MACHINE)), ...cluster.laptops.map(at('laptops', LAPTOP))];
  await Promise.all([
    evidence.take('logs', () => copyLogs(cluster.name, join(folder, 'logs'))),
    ...OBJECTS.map((look) => evidence.look('objects', look, () => kubectl(cluster, look.argv, signal))),
    ...machines.flatMap(({ place, machine, looks }) =>
      looks.map((look) => evidence.look(place, look, () => machine.exec(look.argv, { signal, timeout: COMMAND_MS }))),
    ),
  ]);
  // After the state was read: a replayed flow changes it.
  const flows = cluster.laptops.flatMap(lastAsked);
  const captured = [...cluster.nodes, ...cluster.laptops];
  await evidence.take('flows', () => captureFlows(captured, flows, folder, { signal, missed: evidence.missed }));
  await evidence.end();
}

function lastAsked(laptop: Laptop): readonly Asked[] {
  const flow = laptop.lastFlow;
  if (flow === undefined) return [];
  const line = `${laptop.name}: ${flow.argv.join(' ')}\nin the test: exit ${flow.code ?? 'none yet'}`;
  const again = async (timeout: number, signal: AbortSignal) => {
    const { code, stdout, stderr } = await laptop.exec(flow.argv, { ...flow.options, signal, timeout });
    return `exit ${code}\n${stdout}${stderr}`;
  };
  return [{ line, again }];
}

function at<T extends { readonly name: string }>(kind: string, looks: readonly Look[]) {
  return (machine: T) => ({ place: join(kind, machine.name), machine, looks });
}

function kubectl(cluster: Cluster, argv: readonly string[], signal: AbortSignal): Promise<ExecResult> {
  const words = [cluster.tools.path('kubectl'), '--request-timeout=10s', ...argv];
  return run([...TIED, ...words], { env: cluster.environment, signal, timeout: COMMAND_MS });
}

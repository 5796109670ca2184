import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecOptions, ExecResult } from './exec.ts';
import type { Flow } from './laptop.ts';
import type { Cluster } from './running-cluster.ts';

/** How long a capture runs: more than a request and its first repetitions, much less than a patient person's wait. */
const CAPTURE_S = 6;
const REPLAY_MS = 4_000;

interface Machine {
  readonly name: string;
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
}

/** What a capture reports to. */
export interface CaptureOptions {
  readonly signal: AbortSignal;
  readonly missed: (what: string, why: unknown) => void;
}

/**
 * Has every laptop repeat the last thing it asked of the network, while its packets are captured on the laptops and on all
 * interfaces of all nodes: the underlay, WireGuard's, the pods'. So a test that passes pays nothing for captures, and the capture
 * holds little else than the flow. What does not happen a second time is not in it; the logs and the state were taken before.
 */
export async function captureFlows(cluster: Cluster, folder: string, options: CaptureOptions): Promise<void> {
  const flows = cluster.laptops.flatMap((laptop) => {
    const flow = laptop.lastFlow;
    return flow === undefined ? [] : [{ laptop, flow }];
  });
  if (flows.length === 0) return;
  const target = join(folder, 'flow');
  await mkdir(target, { recursive: true });
  const captures = [...cluster.nodes, ...cluster.laptops].map((machine) => capture(machine, target, options));
  await Promise.all(captures.map(({ begun }) => begun));
  const told = await Promise.all(flows.map(({ laptop, flow }) => replay(laptop, flow, options.signal)));
  await writeFile(join(target, 'replayed.txt'), told.join('\n'));
  await Promise.all(captures.map(({ ended }) => ended));
}

interface Capture {
  readonly begun: Promise<unknown>;
  readonly ended: Promise<void>;
}

/** Not what nodes and control plane say to each other all day. `-Z root`: it may write where root may. */
const SCRIPT = `file=$(mktemp); trap 'rm -f "$file"' EXIT
timeout -s INT "$1" tcpdump -Z root -i any -nn -s 256 -c 50000 -w "$file" 'not port 6443 and not port 10250' >&2
base64 <"$file"`;

function capture(machine: Machine, target: string, { signal, missed }: CaptureOptions): Capture {
  const begun = Promise.withResolvers<void>();
  const onOutput = (text: string) => {
    if (text.includes('listening on')) begun.resolve();
  };
  const take = async () => {
    try {
      const argv = ['bash', '-c', SCRIPT, 'capture', String(CAPTURE_S)];
      const { stdout, stderr } = await machine.exec(argv, { signal, onOutput });
      if (stdout === '') return missed(`flow/${machine.name}.pcap`, stderr.trim());
      await writeFile(join(target, `${machine.name}.pcap`), Buffer.from(stdout, 'base64'));
    } catch (error) {
      missed(`flow/${machine.name}.pcap`, error);
    } finally {
      // Where nothing can be captured, nobody waits for it.
      begun.resolve();
    }
  };
  return { begun: begun.promise, ended: take() };
}

async function replay(laptop: Machine, { argv, code }: Flow, signal: AbortSignal): Promise<string> {
  const line = `${laptop.name}: ${argv.join(' ')}\nin the test: exit ${code ?? 'none yet'}\n`;
  try {
    const again = await laptop.exec(argv, { signal, timeout: REPLAY_MS });
    return `${line}again: exit ${again.code}\n${again.stdout}${again.stderr}`;
  } catch (error) {
    return `${line}again: ${error instanceof Error ? error.message : error}\n`;
  }
}

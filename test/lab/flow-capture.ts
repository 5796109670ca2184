import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecOptions, ExecResult } from './exec.ts';

/** How long a capture runs: more than a request and its first repetitions, much less than a patient person's wait. */
const CAPTURE_S = 6;
const REPLAY_MS = 4_000;

/** Where packets are captured. */
export interface Machine {
  readonly name: string;
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
}

/** Something that was asked of the network, and can be asked again. */
export interface Asked {
  /** Who asked what, and what came of it. */
  readonly line: string;
  /** Resolves with what comes of it now, within so many milliseconds. */
  again(timeout: number, signal: AbortSignal): Promise<string>;
}

/** What a capture reports to. */
export interface CaptureOptions {
  readonly signal: AbortSignal;
  readonly missed: (what: string, why: unknown) => void;
}

/**
 * Has everybody repeat the last thing they asked of the network, while packets are captured on all interfaces of all machines: the
 * underlay, WireGuard's, the pods'. So a test that passes pays nothing for captures, and the capture holds little else than the
 * flow. What does not happen a second time is not in it; the logs and the state were taken before.
 */
export async function captureFlows(
  machines: readonly Machine[],
  flows: readonly Asked[],
  folder: string,
  options: CaptureOptions,
): Promise<void> {
  if (flows.length === 0) return;
  const target = join(folder, 'flow');
  await mkdir(target, { recursive: true });
  const captures = machines.map((machine) => capture(machine, target, options));
  await Promise.all(captures.map(({ begun }) => begun));
  const told = await Promise.all(flows.map((flow) => replay(flow, options.signal)));
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

async function replay({ line, again }: Asked, signal: AbortSignal): Promise<string> {
  try {
    return `${line}\nagain: ${await again(REPLAY_MS, signal)}\n`;
  } catch (error) {
    return `${line}\nagain: ${error instanceof Error ? error.message : error}\n`;
  }
}

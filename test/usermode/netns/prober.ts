import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { systemClock } from '../../../src/runtime/clock.ts';
import { Prober, type ProberOptions, type ProbeTarget } from '../../../src/usermode/probe-socket.ts';

/** A program for the gateway's namespace: one prober; each line of input is a target, each line of output its result. */
const options = JSON.parse(process.argv[2] ?? '') as Pick<ProberOptions, 'privateKey' | 'source' | 'timeouts'>;
const prober = new Prober({ ...options, clock: systemClock, randomBytes });
for await (const line of createInterface({ input: process.stdin })) {
  const result = await prober.run(JSON.parse(line) as ProbeTarget);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
await prober.close();

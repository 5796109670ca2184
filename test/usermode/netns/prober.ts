import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { systemClock } from '../../../src/runtime/clock.ts';
import { Prober, type ProberOptions, type ProbeTarget } from '../../../src/usermode/probe-socket.ts';

/**
 * A program for the gateway's namespace: one prober; each line of input is a target, each line of output its result.
 * With the argument "forget" every run has a session of its own.
 */
const options = JSON.parse(process.argv[2] ?? '') as Pick<ProberOptions, 'privateKey' | 'source' | 'timeouts'>;
const forgets = process.argv[3] === 'forget';
const prober = new Prober({ ...options, clock: systemClock, randomBytes });
for await (const line of createInterface({ input: process.stdin })) {
  const result = await prober.run(JSON.parse(line) as ProbeTarget);
  if (forgets) await prober.close();
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
await prober.close();

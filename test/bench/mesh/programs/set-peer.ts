import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** See ../floor.ts: every so often, one `wg set` of one peer; prints how many milliseconds it took, its process included. */

const [device = '', key = '', everyMs = '100'] = process.argv.slice(2);
for (;;) {
  const start = performance.now();
  spawnSync('wg', ['set', device, 'peer', key, 'allowed-ips', '10.213.9.9/32']);
  console.log(performance.now() - start);
  await delay(Number(everyMs));
}

import { spawnSync } from 'node:child_process';

/** See ../floor.ts: one `wg set` of one peer whenever SIGUSR2 comes; prints how many milliseconds it took, its process included. */

const [device = '', key = ''] = process.argv.slice(2);

process.on('SIGUSR2', () => {
  const start = performance.now();
  spawnSync('wg', ['set', device, 'peer', key, 'allowed-ips', '10.213.9.9/32']);
  console.log(performance.now() - start);
});
setInterval(() => undefined, 2 ** 30);
console.log('ready');

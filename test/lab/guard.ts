import { text } from 'node:stream/consumers';
import { reap } from './reap.ts';
import { guardLock, tryLock } from './record.ts';

/**
 * A lab's guard, a process apart: when its standard input ends, because the lab's owner closed it or died in
 * whatever way, it removes the lab. Told "keep" before, it leaves the lab alone.
 */
const [name = ''] = process.argv.slice(2);
const lock = await tryLock(guardLock(name));
if (!lock) throw new Error(`lab ${name} has a guard already`);
process.stdout.write('ready\n');
if ((await text(process.stdin)) !== 'keep\n') await reap(name);
lock.close();

import { flushCompileCache } from 'node:module';

/*
 * Goes before a program of ours: Node writes what it has compiled when it ends by itself, and most of the programs are killed. So it is written
 * once the program runs, and the next one starts in half of the processor's time.
 */
setTimeout(flushCompileCache, 200).unref();

import { randomBytes } from 'node:crypto';
import { createCommands } from '../../../src/host/exec.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { type RaceOptions, race } from '../../../src/usermode/race-socket.ts';

/*
 * Races from inside a namespace: race.ts TIMES OPTIONS [COMMAND …]. The options are those of a race as JSON. Races so often, each time
 * the moment the one before has ended, runs the command the moment the last has ended, and says who won, and in how many milliseconds.
 */
const [times = '1', options = '{}', ...argv] = process.argv.slice(2);
const given = JSON.parse(options) as Omit<RaceOptions, 'clock' | 'randomBytes'>;
const results: object[] = [];
for (let count = 0; count < Number(times); count += 1) {
  const began = performance.now();
  const winner = await race({ ...given, clock: systemClock, randomBytes });
  results.push({ winner: winner?.endpoint.address, ms: performance.now() - began });
}
if (argv.length > 0) await createCommands().run(argv);
console.log(JSON.stringify(results));

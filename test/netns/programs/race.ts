import { randomBytes } from 'node:crypto';
import { systemClock } from '../../../src/runtime/clock.ts';
import { type RaceOptions, race } from '../../../src/usermode/race-socket.ts';

/* Races from inside a namespace: race.ts OPTIONS, those of a race as JSON; says who won. */
const options = JSON.parse(process.argv[2] ?? '{}') as Omit<RaceOptions, 'clock' | 'randomBytes'>;
console.log(JSON.stringify((await race({ ...options, clock: systemClock, randomBytes })) ?? null));

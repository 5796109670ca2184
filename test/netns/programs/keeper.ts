import { randomBytes } from 'node:crypto';
import { CounterReader } from '../../../src/cli/path/counters.ts';
import { lookupHere } from '../../../src/cli/path/endpoint-names.ts';
import { PathKeeper, type PathKeeperOptions } from '../../../src/cli/path/path-keeper.ts';
import { raceAll } from '../../../src/cli/path/race-all.ts';
import { createCommands } from '../../../src/host/exec.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

/*
 * Keeps the paths of a tunnel that is up, from inside its namespace: keeper.ts GIVEN, a JSON with a configuration, a tunnel and keys.
 * Says what the first race found, each standing as it changes, and when each check proved the path, a line of JSON each.
 */
const given = JSON.parse(process.argv[2] ?? '{}') as Pick<PathKeeperOptions, 'configuration' | 'tunnel'> & {
  readonly keys: ReturnType<PathKeeperOptions['keys']>;
};
const say = (what: object) => console.log(JSON.stringify(what));
const machine = { clock: systemClock, randomBytes, lookup: lookupHere };
const first = await raceAll(given.configuration, given.keys, machine);
const keeper = new PathKeeper({
  ...given,
  ...machine,
  first,
  keys: () => given.keys,
  commands: createCommands(),
  counters: new CounterReader(),
  onStanding: (gateway, standing) => say({ gateway: gateway.name, ...standing }),
  log: (text) => console.error(text),
});
const end = new AbortController();
process.on('SIGTERM', () => end.abort());
say({ first: [...first.values()] });
let last: number | undefined;
const watching = setInterval(() => {
  const [standing] = keeper.standings.values();
  if (standing === undefined || standing.provenAt === last) return;
  last = standing.provenAt;
  say({ provenAt: last });
}, 50);
await keeper.run(end.signal);
clearInterval(watching);

import { openNames } from '../../../src/cli/names/open-names.ts';
import { SYSTEM_PATHS } from '../../../src/cli/names/paths.ts';
import { createCommands } from '../../../src/host/exec.ts';
import { addressesIn } from '../../../src/net/address.ts';

/*
 * Stands in for a supervisor: opens the names that its argument gives as JSON, says "open" and how, then each note, all as lines of
 * JSON, until it gets SIGTERM.
 */
const { profile, device, names } = JSON.parse(process.argv[2] ?? '');
const say = (value: object) => console.log(JSON.stringify(value));

const opened = await openNames({
  profile,
  device,
  names: { ...names, servers: addressesIn(names.servers) },
  commands: createCommands(),
  paths: SYSTEM_PATHS,
  onNote: (note) => say({ note }),
});
const alive = setInterval(() => undefined, 60_000);
// Other names, at the second wish.
process.on('SIGUSR2', async () => {
  await opened.update({ ...names, servers: addressesIn(names.servers), zones: [...names.zones, 'later.example'] });
  say({ updated: true });
});
process.on('SIGTERM', async () => {
  await opened.close();
  clearInterval(alive);
});
say({ open: { backend: opened.backend, address: opened.address } });

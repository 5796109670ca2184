import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runInGuest } from './guest.ts';
import { prepareMachine } from './machine.ts';
import type { Sample } from './programs/netem-and-relay.ts';

/** A round trip may differ by a few of the guest's timer ticks of 10 ms. */
const TICKS_MS = 40;
const SHARE = 0.03;
/** What overtakes what is a matter of the jitter, which both spread alike. */
const OVERTAKEN_SHARE = 0.2;

// Again if the two differ, for a guest that others starve is late by chance; a relay that does something else does so every time.
test('the relay does to datagrams what the kernel does by netem', { retry: 2, timeout: 120_000 }, async () => {
  await prepareMachine();
  const program = join(import.meta.dirname, 'programs/netem-and-relay.ts');
  const { code, stdout, stderr } = await runInGuest([
    'sh',
    '-c',
    'ip link set lo up && exec "$@"',
    'sh',
    process.execPath,
    program,
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { netem, relay } = JSON.parse(stdout) as { readonly netem: Sample; readonly relay: Sample };
  console.table({ netem, relay });
  // Both really did something.
  expect(netem.lost).toBeGreaterThan(0.05);
  expect(netem.overtaken).toBeGreaterThan(0.05);
  for (const share of ['lost', 'doubled'] as const) expect(Math.abs(relay[share] - netem[share])).toBeLessThan(SHARE);
  expect(Math.abs(relay.overtaken - netem.overtaken)).toBeLessThan(OVERTAKEN_SHARE);
  // The shortest trips alone: the relay is a program, whose longest ones tell how busy the machine is.
  expect(Math.abs(relay.p10 - netem.p10)).toBeLessThan(TICKS_MS);
});

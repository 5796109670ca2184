import { randomBytes } from 'node:crypto';
import { Probing } from '../../../src/agent/probing.ts';
import { ServiceProbe } from '../../../src/agent/service-probe.ts';
import type { Topology } from '../../../src/mesh/topology.ts';
import type { KeyPair } from '../../../src/net/key-pair.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createLog } from '../../../src/runtime/log.ts';

/** A program for the gateway's namespace: the agent's own probing; a line of output after each probe, with what is told then. */
const { keys, service, topology } = JSON.parse(process.argv[2] ?? '') as {
  readonly keys: KeyPair;
  readonly service: { readonly address: never; readonly port: number };
  readonly topology: Topology;
};
const probing: Probing = new Probing({
  probe: new ServiceProbe({ keys, service, clock: systemClock, randomBytes }),
  clock: systemClock,
  log: createLog({ level: 'silent' }),
  target: () => topology,
  onProbe: () => console.log(JSON.stringify(probing.verdict ?? null)),
});
await probing.run(new AbortController().signal);

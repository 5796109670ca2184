import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PathKeeper, type PathKeeperOptions } from '../../../src/cli/path/path-keeper.ts';
import { raceAll } from '../../../src/cli/path/race-all.ts';
import type { Commands, Exit, Running } from '../../../src/host/exec.ts';
import type { Counters } from '../../../src/laptop/path/silence.ts';
import type { PathStanding } from '../../../src/laptop/path/state.ts';
import { type Tunnel, tunnelOf } from '../../../src/laptop/tunnel.ts';
import type { ClientConfiguration } from '../../../src/mesh/client-configuration.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import { keyText, type PresharedKey } from '../../../src/net/key.ts';
import { keyPairFrom } from '../../../src/net/key-pair.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { FakeGateway } from '../../usermode/fake-gateway.ts';

const keys = keyPairFrom(randomBytes(32));
const machine = {
  clock: systemClock,
  randomBytes,
  lookup: async (host: string) => (host === 'gw.example' ? (['127.0.0.1'] as IpAddress[]) : []),
};
/** Nobody there, so that no check is ever passed; and this machine, which refuses, so that each is. */
const [NOBODY, HERE] = ['192.0.2.1', '127.0.0.1'];

/** Remembers what was run; `ip monitor` runs until it is stopped, and speaks when told to. */
class FakeCommands implements Commands {
  readonly asked: string[] = [];
  monitors = 0;
  speak: (line: string) => void = () => undefined;

  async run(argv: readonly string[]): Promise<string> {
    this.asked.push(argv.join(' '));
    return '';
  }

  start(_argv: readonly string[], onLine: (line: string) => void = () => undefined): Running {
    this.monitors += 1;
    this.speak = onLine;
    const exited = Promise.withResolvers<Exit>();
    const stop = async () => {
      this.monitors -= 1;
      exited.resolve({ stderr: '' });
    };
    return { pid: 1, exited: exited.promise, stop };
  }

  get sets(): readonly string[] {
    return this.asked.filter((line) => line.startsWith('wg set'));
  }
}

const QUIET: Counters = { rxPackets: 1, rxBytes: 60, txPackets: 1, txBytes: 60 };
let gateway: FakeGateway;
let commands: FakeCommands;
let abort: AbortController;
let running: Promise<void>;
beforeEach(async () => {
  gateway = await FakeGateway.listen(keys.publicKey);
  commands = new FakeCommands();
  abort = new AbortController();
  running = Promise.resolve();
});
afterEach(async () => {
  abort.abort();
  await running;
  await gateway.close();
});

function configured(address: string | undefined, endpoints: readonly string[], hasPresharedKey = false) {
  const { publicKey } = gateway.keys;
  const allowedIPs = ['10.213.0.0/16', '10.96.0.0/12'];
  const one = { name: 'default', publicKey, addresses: [address], allowedIPs, endpoints };
  return {
    peer: 'team-a/alice',
    addresses: ['127.0.0.1'],
    mtu: undefined,
    dns: undefined,
    hasPresharedKey,
    persistentKeepalive: 25,
    gateways: [one],
  } as unknown as ClientConfiguration;
}

function tunnel(configuration: ClientConfiguration): Tunnel {
  const files = { privateKeyFile: '/k', presharedKeyFile: '/p' };
  return tunnelOf(configuration, { device: 'sp-prod', publicKey: keys.publicKey, ...files });
}

function keeper(configuration: ClientConfiguration, changes: Partial<PathKeeperOptions> = {}): PathKeeper {
  const made = new PathKeeper({
    ...machine,
    configuration,
    tunnel: tunnel(configuration),
    keys: () => keys,
    commands,
    counters: { read: () => QUIET },
    log: () => undefined,
    ...changes,
  });
  running = made.run(abort.signal);
  return made;
}

const here = () => `127.0.0.1:${gateway.port}`;
const DEAD = '127.0.0.1:1';

describe('a keeper of paths', () => {
  it('makes the peer anew at the endpoint that answers, by one command', async () => {
    keeper(configured(NOBODY, [DEAD, here()]));
    const { publicKey } = gateway.keys;
    const peer = `peer ${publicKey} remove peer ${publicKey} endpoint ${here()} persistent-keepalive 25`;
    const line = `wg set sp-prod ${peer} allowed-ips 10.213.0.0/16,10.96.0.0/12`;
    await expect.poll(() => commands.sets[0], { timeout: 5_000 }).toBe(line);
  });

  it('gives the preshared key by its file, and uses it in the race', async () => {
    keeper(configured(NOBODY, [DEAD, here()], true));
    await expect.poll(() => commands.sets[0], { timeout: 5_000 }).toContain(' preshared-key /p ');
    expect(commands.sets.join()).not.toContain(keys.privateKey);
    const presharedKey = keyText(randomBytes(32)) as PresharedKey;
    const wrong = await raceAll(configured(HERE, [here()]), { ...keys, presharedKey }, machine);
    expect(wrong.size).toBe(0);
  });

  it('runs no command but one question while all is well', async () => {
    const kept = keeper(configured(HERE, [here()]));
    await expect.poll(() => [...kept.standings.values()][0]?.rttMs).toBeDefined();
    expect(commands.asked).toEqual(['wg show sp-prod endpoints']);
  });

  it('checks when the network changes, and tells only what has changed', async () => {
    const told: PathStanding[] = [];
    const kept = keeper(configured(HERE, [here()]), { onStanding: (_, standing) => told.push(standing) });
    const provenAt = () => [...kept.standings.values()][0]?.provenAt ?? 0;
    await expect.poll(provenAt).toBeGreaterThan(0);
    const before = provenAt();
    commands.speak('3: wlan0 inet 192.0.2.7/24');
    await expect.poll(provenAt, { timeout: 3_000 }).toBeGreaterThan(before);
    expect(told).toMatchObject([{ condition: 'working', address: here() }]);
  });

  it('leaves an endpoint that the configuration does not name any more, and a gateway that is gone', async () => {
    const second = await FakeGateway.listen(keys.publicKey, 0, gateway.keys);
    const kept = keeper(configured(HERE, [here()]));
    await expect.poll(() => kept.standings.size).toBe(1);
    const next = configured(HERE, [`127.0.0.1:${second.port}`]);
    await kept.update(next, tunnel(next));
    await expect.poll(() => commands.sets[0], { timeout: 5_000 }).toContain(`127.0.0.1:${second.port}`);
    const none = { ...next, gateways: [] };
    await kept.update(none, tunnel(none));
    expect(kept.standings.size).toBe(0);
    await second.close();
  });

  it('ends with its signal, whatever is under way', async () => {
    keeper(configured(NOBODY, [DEAD]));
    await expect.poll(() => commands.monitors).toBe(1);
    abort.abort();
    await running;
    expect(commands.monitors).toBe(0);
  });
});

describe('the first choice', () => {
  it('is the endpoint of each gateway that answers first, by its name and its address', async () => {
    const named = `gw.example:${gateway.port}`;
    const first = await raceAll(configured(HERE, ['none.example:1', DEAD, named]), keys, machine);
    expect(first.get(gateway.keys.publicKey)).toMatchObject({ endpoint: named, address: here() });
  });

  it('leaves out a gateway that answers nowhere', async () => {
    expect((await raceAll(configured(HERE, [DEAD]), keys, machine)).size).toBe(0);
  });
});

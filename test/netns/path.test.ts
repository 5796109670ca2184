import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RACE_TIMING } from '../../src/usermode/race.ts';
import { hasKernelWireGuard, missing } from './machine.ts';
import { ROUTED, SERVICE, TwoGateways } from './two-gateways.ts';

/** A race as the program tells it. */
interface Raced {
  readonly winner?: string;
  readonly ms: number;
}

describe.skipIf(missing)(`a race over ${hasKernelWireGuard ? 'kernel WireGuard' : 'wireguard-go'}`, () => {
  let two: TwoGateways;

  beforeAll(async () => {
    two = await TwoGateways.create('Auto');
  });
  afterAll(() => two?.dispose());

  const connection = async () => (await two.laptop.ask(`tcp ${SERVICE} 8080`)) as { answer: string; ms: number };

  /** Races from the laptop, so often without a pause, and then has its interface dial the first host that moment. */
  async function raceThenDial(times: number, hosts: readonly string[]): Promise<readonly Raced[]> {
    const { publicKey } = two.gatewayKeys;
    const endpoints = hosts.map((address) => ({ address, port: 51840 }));
    const options = { privateKey: two.laptopKeys.privateKey, peerPublicKey: publicKey, endpoints };
    const peer = `peer ${publicKey} remove peer ${publicKey} endpoint ${hosts[0]}:51840 allowed-ips ${ROUTED}`;
    const program = join(import.meta.dirname, 'programs/race.ts');
    const words = [process.execPath, program, `${times}`, JSON.stringify(options), ...`wg set wg0 ${peer}`.split(' ')];
    return JSON.parse(await two.laptop.commands.run(words));
  }

  test('is won by the node that is there', async () => {
    expect(await raceThenDial(1, ['192.168.60.1'])).toMatchObject([{ winner: '192.168.60.1' }]);
    expect(await raceThenDial(1, ['192.168.61.99', '192.168.61.1'])).toMatchObject([{ winner: '192.168.61.1' }]);
  });

  test('leaves the gateway ready: the very next initiation is answered', async () => {
    const races = await raceThenDial(20, ['192.168.60.1']);
    // One that came too soon would go without an answer, and the race would repeat it after 400 ms.
    expect(races.filter(({ ms }) => ms >= RACE_TIMING.retryMs)).toEqual([]);
  });

  test('an interface that dials as soon as it has ended is answered at once', async () => {
    const times: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      await raceThenDial(1, round % 2 === 0 ? ['192.168.60.1', '192.168.61.1'] : ['192.168.61.1', '192.168.60.1']);
      const { answer, ms } = await connection();
      expect(answer).toBe('connected');
      times.push(ms);
    }
    console.log(`first connections after a race: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    // An initiation that the gateway took for an old one would be repeated only after five seconds.
    expect(Math.max(...times)).toBeLessThan(3_000);
  });
});

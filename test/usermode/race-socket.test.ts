import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IpAddress } from '../../src/net/address.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { RACE_TIMING, type RaceEndpoint } from '../../src/usermode/race.ts';
import { type RaceOptions, race } from '../../src/usermode/race-socket.ts';
import { FakeGateway } from './fake-gateway.ts';

const keys = keyPairFrom(randomBytes(32));
const gatewayKeys = keyPairFrom(randomBytes(32));
let near: FakeGateway;
let other: FakeGateway;
beforeEach(async () => {
  near = await FakeGateway.listen(keys.publicKey, 0, gatewayKeys);
  other = await FakeGateway.listen(keys.publicKey, 0, gatewayKeys);
});
afterEach(async () => {
  await near.close();
  await other.close();
});

function to(...endpoints: readonly RaceEndpoint[]): RaceOptions {
  return {
    privateKey: keys.privateKey,
    peerPublicKey: gatewayKeys.publicKey,
    endpoints,
    timing: { ...RACE_TIMING, timeoutMs: 500 },
    clock: systemClock,
    randomBytes,
  };
}

const on = (port: number, address = '127.0.0.1') => ({ address: address as IpAddress, port });
const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWrap').length;

describe('a race over real sockets', () => {
  it('is won by the preferred of two, without a packet of data', async () => {
    const winner = await race(to(on(near.port), on(other.port)));
    expect(winner?.endpoint).toEqual(on(near.port));
    expect(winner?.rttMs).toBeLessThan(500);
    expect([near.handshakes, near.packets]).toEqual([0, []]);
  });

  it('passes over a closed port, an address without a route, and one of a family that may be missing', async () => {
    const nowhere = [on(1), on(51840, '255.255.255.255'), on(1, '::1'), on(1, 'fe80::1')];
    expect((await race(to(...nowhere, on(other.port))))?.endpoint).toEqual(on(other.port));
  });

  it('has no winner among endpoints that are none, or where none are', async () => {
    expect(await race(to(on(1)))).toBeUndefined();
    expect(await race(to())).toBeUndefined();
  });

  it('closes its sockets, whether it was won, lost or aborted', async () => {
    await race(to(on(near.port), on(1, '::1')));
    await race(to(on(1)));
    const abort = new AbortController();
    const racing = race(to(on(1)), abort.signal);
    abort.abort(new Error('enough'));
    await expect(racing).rejects.toThrow('enough');
    await expect(race(to(on(near.port)), abort.signal)).rejects.toThrow('enough');
    // Those of the two gateways; a closed one is gone a moment later.
    await expect.poll(sockets).toBe(2);
  });
});

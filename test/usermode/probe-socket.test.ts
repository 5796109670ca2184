import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IpAddress } from '../../src/net/address.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { buildEcho, parseIcmp } from '../../src/usermode/icmp.ts';
import { parseIp } from '../../src/usermode/ip.ts';
import { Prober, type ProberOptions, type ProbeTarget, runProbe } from '../../src/usermode/probe-socket.ts';
import { hex, right } from './builders.ts';
import { FakeGateway } from './fake-gateway.ts';

const keys = keyPairFrom(randomBytes(32));
let clockOffset = 0;
const options: ProberOptions = {
  privateKey: keys.privateKey,
  source: '10.213.0.15' as IpAddress,
  timeouts: { handshakeMs: 3_000, dnsMs: 1_000, tcpMs: 1_000 },
  clock: { ...systemClock, now: () => Date.now() + clockOffset },
  randomBytes,
};

let gateway: FakeGateway;
let prober: Prober;
beforeEach(async () => {
  clockOffset = 0;
  gateway = await FakeGateway.listen(keys.publicKey);
  prober = new Prober(options);
});
afterEach(async () => {
  await prober.close();
  await gateway.close();
});

function target(changes: Partial<ProbeTarget> = {}): ProbeTarget {
  return {
    peerPublicKey: gateway.keys.publicKey,
    endpoint: { address: '127.0.0.1' as IpAddress, port: gateway.port },
    dns: { server: '10.96.0.10' as IpAddress, name: 'kubernetes.default' },
    tcp: { address: '10.96.0.1' as IpAddress, port: 443 },
    ...changes,
  };
}

describe('a prober', () => {
  it('probes again and again over one session', async () => {
    expect(await prober.run(target())).toMatchObject({ ok: true, reused: false });
    for (let run = 0; run < 5; run++) expect(await prober.run(target())).toMatchObject({ ok: true, reused: true });
    expect(gateway.handshakes).toBe(1);
  });

  it('makes a new session when the gateway has forgotten the old one, within the same run', async () => {
    await prober.run(target());
    gateway.forget();
    expect(await prober.run(target())).toMatchObject({ ok: true, reused: false });
    expect(gateway.handshakes).toBe(2);
  });

  it('makes a new session when the key or the port of the target changes', async () => {
    await prober.run(target());
    const second = await FakeGateway.listen(keys.publicKey);
    const moved = { endpoint: { address: '127.0.0.1' as IpAddress, port: second.port } };
    expect(await prober.run(target({ ...moved, peerPublicKey: second.keys.publicKey }))).toMatchObject({ ok: true });
    expect([gateway.handshakes, second.handshakes]).toEqual([1, 1]);
    await second.close();
  });

  it('is not locked out when the clock is set back', async () => {
    await prober.run(target());
    clockOffset = -3_600_000;
    gateway.forget();
    expect(await prober.run(target())).toMatchObject({ ok: true, reused: false });
    await prober.close();
    expect(await prober.run(target())).toMatchObject({ ok: true, reused: false });
  });

  it('tells a refused port, and keeps the session for the next run', async () => {
    expect(await prober.run(target({ tcp: { address: '10.96.0.1' as IpAddress, port: 80 } }))).toMatchObject({
      ok: false,
      step: 'tcp',
      reason: 'refused',
    });
    expect(await prober.run(target())).toMatchObject({ ok: true, reused: true });
  });

  it('answers pings to its address between runs', async () => {
    await prober.run(target());
    const flow = { source: hex('0ad50001'), destination: hex('0ad5000f') };
    gateway.send(buildEcho(flow, 'echo-request', { id: 1, sequence: 2, payload: hex('03') }));
    await prober.run(target());
    const replies = gateway.packets.map((packet) => parseIcmp(right(parseIp(packet)))).filter((icmp) => icmp.ok);
    expect(replies).toMatchObject([{ value: { kind: 'echo-reply', id: 1, sequence: 2 } }]);
  });
});

describe('a run', () => {
  it('ends with the reason of an aborted signal, and the prober can be used again', async () => {
    const silent = target({ tcp: { address: '10.96.0.1' as IpAddress, port: 443 }, peerPublicKey: keys.publicKey });
    const abort = new AbortController();
    const run = prober.run(silent, abort.signal);
    abort.abort(new Error('enough'));
    await expect(run).rejects.toThrow('enough');
    await expect(prober.run(target(), AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
    expect(await prober.run(target())).toMatchObject({ ok: true });
  });

  it('is refused while another is under way, and ends when the prober is closed', async () => {
    const run = prober.run(target({ peerPublicKey: keys.publicKey }));
    const ended = expect(run).rejects.toThrow('the prober was closed');
    await expect(prober.run(target())).rejects.toThrow('already running');
    await prober.close();
    await ended;
  });

  it('throws for addresses of the other family and for a name that DNS cannot carry', async () => {
    await expect(prober.run(target({ tcp: { address: 'fd5a::1' as IpAddress, port: 443 } }))).rejects.toThrow('family');
    const dns = { server: '10.96.0.10' as IpAddress, name: 'a..b' };
    await expect(prober.run(target({ dns }))).rejects.toThrow('not a DNS name');
    expect(await prober.run(target())).toMatchObject({ ok: true });
  });

  it('alone opens a session and ends it', async () => {
    expect(await runProbe(options, target())).toMatchObject({ ok: true, reused: false });
    expect(await runProbe(options, target())).toMatchObject({ ok: true, reused: false });
  });
});

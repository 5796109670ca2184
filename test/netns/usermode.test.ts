import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type KeyPair, keyPairFrom } from '../../src/net/key-pair.ts';
import type { ProbeResult } from '../../src/usermode/probe-result.ts';
import type { ProbeTarget } from '../../src/usermode/probe-socket.ts';
import { because } from '../support/because.ts';
import { hasKernelWireGuard, missing } from './machine.ts';
import { type Addresses, Gateway, IPV4, IPV6, wireguardGo } from './support-usermode.ts';

const server = hasKernelWireGuard
  ? { name: 'kernel WireGuard', command: undefined }
  : { name: 'wireguard-go', command: await command() };
async function command(): Promise<string | undefined> {
  return missing === undefined ? wireguardGo() : undefined;
}

/** Long enough for an answer on a busy machine, and short where none is expected. */
const PATIENT = { handshakeMs: 10_000, dnsMs: 10_000, tcpMs: 10_000 };
const HASTY = { handshakeMs: 1_500, dnsMs: 1_200, tcpMs: 1_200 };

function targetOf(keys: KeyPair, { dns, service }: Addresses, name = 'kubernetes.default.svc.cluster.local') {
  return {
    peerPublicKey: keys.publicKey,
    endpoint: { address: '127.0.0.1', port: 51840 },
    dns: { server: dns, name },
    tcp: { address: service, port: 443 },
  } as ProbeTarget;
}

describe.skipIf(missing).each([
  ['IPv4', IPV4],
  ['IPv6', IPV6],
])(`a probe through ${server.name} over %s${because(missing)}`, (_family, addresses) => {
  let gateway: Gateway;
  let keys: KeyPair;
  let probe: (target: ProbeTarget) => Promise<ProbeResult>;

  beforeAll(async () => {
    gateway = await Gateway.create(server.command, addresses);
    keys = await gateway.start();
  });
  beforeEach(() => {
    probe = gateway.prober(PATIENT);
  });
  afterEach(async () => {
    gateway.firewall();
    await gateway.endProbers();
  });
  afterAll(() => gateway?.dispose());

  it('passes all steps, and the second run needs no handshake', async () => {
    const first = await probe(targetOf(keys, addresses));
    expect(first).toMatchObject({ ok: true, reused: false });
    const { tcpMs, handshakeMs, dnsMs } = first as ProbeResult & { ok: true };
    expect(Math.max(tcpMs, handshakeMs, dnsMs ?? 0)).toBeLessThan(PATIENT.tcpMs);
    expect(await probe(targetOf(keys, addresses))).toMatchObject({ ok: true, reused: true });
  });

  it('asks no name when none is given', async () => {
    const { dns, ...target } = targetOf(keys, addresses);
    const result = await probe(target);
    expect(result).toMatchObject({ ok: true });
    expect(result).not.toHaveProperty('dnsMs');
  });

  it('passes with a preshared key, and says so when the two differ', async () => {
    const presharedKey = gateway.presharedKey();
    expect(await probe({ ...targetOf(keys, addresses), presharedKey })).toMatchObject({ ok: true });
    expect(await probe(targetOf(keys, addresses))).toMatchObject({
      ok: false,
      step: 'handshake',
      reason: 'not-authentic',
      problem: expect.stringContaining('preshared keys differ'),
    });
    gateway.removeProbe();
    gateway.addProbe();
  });

  it('passes in spite of lost packets', async () => {
    gateway.firewall(
      'udp dport 51840 numgen random mod 100 < 5 drop',
      'udp sport 51840 numgen random mod 100 < 5 drop',
    );
    const patient = gateway.prober(PATIENT, 'forget');
    for (let run = 0; run < 5; run++)
      expect(await patient(targetOf(keys, addresses))).toMatchObject({ ok: true, reused: false });
  });

  it('names the handshake when the gateway does not know the probe', async () => {
    gateway.removeProbe();
    const result = await gateway.prober(HASTY)(targetOf(keys, addresses));
    gateway.addProbe();
    expect(result).toMatchObject({
      ok: false,
      step: 'handshake',
      reason: 'timeout',
      problem: expect.stringContaining(`it has no peer ${gateway.probeKeys.publicKey}`),
    });
  });

  it('names the handshake when the gateway has another key, and passes with the right one', async () => {
    const other = keyPairFrom(randomBytes(32));
    expect(await gateway.prober(HASTY)(targetOf(other, addresses))).toMatchObject({
      ok: false,
      step: 'handshake',
      reason: 'timeout',
      problem: expect.stringContaining(`its public key is not ${other.publicKey}`),
    });
    expect(await probe(targetOf(keys, addresses))).toMatchObject({ ok: true, reused: false });
  });

  it('says that nothing listens where the gateway is not', async () => {
    const target = targetOf(keys, addresses);
    expect(await probe({ ...target, endpoint: { ...target.endpoint, port: 51841 } })).toMatchObject({
      ok: false,
      step: 'handshake',
      reason: 'port-closed',
      problem: expect.stringContaining('nothing listens on UDP 127.0.0.1:51841'),
    });
  });

  it.each([
    ['nxdomain.test', 'name-unknown', 'NXDOMAIN'],
    ['servfail.test', 'server-failure', 'SERVFAIL'],
    ['refused.test', 'server-failure', 'REFUSED'],
    ['nodata.test', 'no-address', 'record'],
    ['silent.test', 'timeout', 'did not answer for silent.test within 1.2 s'],
  ])('names the DNS step for %s', async (name, reason, text) => {
    const ask = reason === 'timeout' ? gateway.prober(HASTY) : probe;
    const result = await ask(targetOf(keys, addresses, name));
    expect(result).toMatchObject({ ok: false, step: 'dns', reason, problem: expect.stringContaining(text) });
    expect(result.handshakeMs).toBeGreaterThan(0);
  });

  it('tells a DNS server that no longer listens from one that is silent', async () => {
    const target = targetOf(keys, addresses);
    const server = addresses.service;
    expect(await probe({ ...target, dns: { server, name: 'a.test' } })).toMatchObject({
      ok: false,
      step: 'dns',
      reason: 'refused',
      problem: expect.stringContaining('port unreachable'),
    });
  });

  it('tells a closed port from one whose packets are dropped', async () => {
    const target = targetOf(keys, addresses);
    expect(await probe({ ...target, tcp: { ...target.tcp, port: 444 } })).toMatchObject({
      ok: false,
      step: 'tcp',
      reason: 'refused',
      problem: expect.stringContaining('444 refused the TCP connection'),
    });
    gateway.firewall('tcp dport 443 drop');
    expect(await gateway.prober(HASTY)(target)).toMatchObject({
      ok: false,
      step: 'tcp',
      reason: 'timeout',
      problem: expect.stringContaining('though the WireGuard handshake works'),
    });
    gateway.firewall();
    expect(await probe(target)).toMatchObject({ ok: true });
  });

  it.each([
    ['admin-prohibited', 'prohibited', 'administratively prohibited'],
    ['port-unreachable', 'refused', 'port unreachable'],
    ['no-route', 'unreachable', 'network unreachable'],
  ])('reads the ICMP answer %s', async (code, reason, text) => {
    const type = code === 'no-route' && addresses === IPV4 ? 'net-unreachable' : code;
    gateway.firewall(`tcp dport 443 reject with ${addresses === IPV4 ? 'icmp' : 'icmpv6'} type ${type}`);
    expect(await probe(targetOf(keys, addresses))).toMatchObject({
      ok: false,
      step: 'tcp',
      reason,
      problem: expect.stringContaining(text),
    });
  });

  it('is answered by the gateway as the initiator, and answers pings', async () => {
    expect(await probe(targetOf(keys, addresses))).toMatchObject({ ok: true });
    const [, endpoint = ''] = gateway.run('wg', 'show', gateway.device, 'endpoints').trim().split('\t');
    gateway.removeProbe();
    gateway.addProbe('endpoint', endpoint);
    expect(gateway.run('ping', '-c', '3', '-i', '0.2', '-W', '2', addresses.probe)).toContain(' 0% packet loss');
    expect(gateway.run('wg', 'show', gateway.device, 'latest-handshakes').trim()).not.toMatch(/\t0$/);
    expect(await probe(targetOf(keys, addresses))).toMatchObject({ ok: true });
  });

  it('finds a gateway again that was restarted, and one whose key changed', async () => {
    expect(await probe(targetOf(keys, addresses))).toMatchObject({ ok: true });
    await gateway.stop();
    expect(await probe(targetOf(keys, addresses))).toMatchObject({
      ok: false,
      step: 'handshake',
      reason: 'port-closed',
    });
    await gateway.start(keys);
    expect(await probe(targetOf(keys, addresses))).toMatchObject({ ok: true, reused: false });
    await gateway.stop();
    await gateway.start(keys);
    expect(await probe(targetOf(keys, addresses))).toMatchObject({ ok: true, reused: false });
    await gateway.stop();
    const old = keys;
    keys = await gateway.start();
    const result = await gateway.prober(HASTY)(targetOf(old, addresses));
    expect(result).toMatchObject({ ok: false, step: 'handshake', reason: 'timeout' });
    expect(await probe(targetOf(keys, addresses))).toMatchObject({ ok: true, reused: false });
  });
});

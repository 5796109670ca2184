import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Forwarder } from '../../../src/cli/names/forwarder.ts';
import { framed, TcpMessages } from '../../../src/cli/names/tcp-messages.ts';
import { isTruncated, RCODE, rcodeOf } from '../../../src/laptop/names/dns-message.ts';
import { addressesIn } from '../../../src/net/address.ts';
import { buildQuery, parseAnswer } from '../../../src/usermode/dns.ts';
import { StubDns } from './stub-dns.ts';

const [OFFICE, SECOND, CLUSTER, OWN] = ['127.0.53.101', '127.0.53.102', '127.0.53.103', '127.0.53.110'];
const PATIENCE = { stepMs: 100, rounds: 2, wholeMs: 1_000 };
const API = 'api.team-a.svc.cluster.local';
const SEARCH = ['team-a.svc.cluster.local', 'svc.cluster.local'];
/** Below those that the kernel gives to whoever asks for any, as the forwarder itself does. */
const port = 20_000 + (process.pid % 10_000);

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function stub(address: string, reply: Parameters<typeof StubDns.open>[2]): Promise<StubDns> {
  const server = await StubDns.open(address, port, reply);
  open.push(server);
  return server;
}

async function forwarder(former: readonly string[] = [OFFICE, SECOND], everything = false): Promise<Forwarder> {
  const clusters = [{ servers: addressesIn([CLUSTER]), zones: ['cluster.local'], search: SEARCH, everything }];
  const opened = await Forwarder.open({ addresses: [OWN], port, patience: PATIENCE, routes: { clusters, former } });
  open.push(opened);
  return opened;
}

function query(name: string, id = 7): Uint8Array {
  const built = buildQuery({ id, name, type: 'A' });
  if (!built.ok) throw new Error(built.problem);
  return built.value;
}

async function askByUdp(message: Uint8Array): Promise<Uint8Array> {
  const socket = createSocket('udp4');
  try {
    socket.send(message, port, OWN);
    const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
    return answer;
  } finally {
    socket.close();
  }
}

async function askByTcp(messages: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
  const socket = connect(port, OWN);
  const answers: Uint8Array[] = [];
  const done = Promise.withResolvers<void>();
  const reader = new TcpMessages((answer) => {
    if (answers.push(answer) === messages.length) done.resolve();
  });
  socket.on('data', (bytes) => reader.push(bytes)).on('close', () => done.resolve());
  for (const message of messages) for (const byte of framed(message)) socket.write(Uint8Array.of(byte));
  await done.promise;
  socket.destroy();
  return answers;
}

/** The addresses in an answer, or its error. */
function said(answer: Uint8Array, name: string, id = 7): string | number {
  const read = parseAnswer(answer, { id, name, type: 'A' });
  if (!read.ok) throw new Error(read.problem);
  return read.value.rcode === 0 ? read.value.addresses.map((bytes) => bytes.join('.')).join() : read.value.rcode;
}

describe.skipIf(process.platform !== 'linux')('the forwarder', () => {
  test('asks names of the cluster there and all others where they were asked before', async () => {
    const office = await stub(OFFICE, () => '192.0.2.1');
    const cluster = await stub(CLUSTER, () => '10.96.0.1');
    await forwarder();
    expect(said(await askByUdp(query(API)), API)).toBe('10.96.0.1');
    expect(said(await askByUdp(query('www.example.com')), 'www.example.com')).toBe('192.0.2.1');
    expect([cluster.names, office.names]).toEqual([[API], ['www.example.com']]);
  });

  test('asks with ids and ports of its own, and hands the message on as it is, EDNS and all', async () => {
    const cluster = await stub(CLUSTER, () => '10.96.0.1');
    await forwarder();
    const edns = Uint8Array.from([...query(API).with(11, 1), 0, 0, 41, 4, 208, 0, 0, 128, 0, 0, 0]);
    for (let count = 0; count < 12; count += 1) await askByUdp(edns);
    expect(cluster.asked[0]?.message.subarray(2)).toEqual(edns.subarray(2));
    expect(new Set(cluster.asked.map(({ id }) => id)).size).toBeGreaterThan(8);
    expect(new Set(cluster.asked.map(({ port: from }) => from)).size).toBeGreaterThan(3);
  });

  test('takes no answer to something else: another id, another name', async () => {
    const cluster = await stub(CLUSTER, ({ message }) =>
      Uint8Array.from(message)
        .with(0, (message[0] ?? 0) ^ 1)
        .with(2, 0x81),
    );
    await forwarder();
    expect(said(await askByUdp(query(API)), API)).toBe(RCODE.servFail);
    cluster.reply = ({ id }) => query('bad.cluster.local', id).with(2, 0x81);
    expect(said(await askByUdp(query(API)), API)).toBe(RCODE.servFail);
  });

  test.each([
    ['is silent', 'silence' as const],
    ['fails', RCODE.servFail],
    ['refuses', RCODE.refused],
  ])('asks the second server where the first %s', async (_, reply) => {
    await stub(OFFICE, () => reply);
    await stub(SECOND, () => '192.0.2.2');
    await forwarder();
    expect(said(await askByUdp(query('www.example.com')), 'www.example.com')).toBe('192.0.2.2');
  });

  test('asks the second server at once where nobody listens at the first', async () => {
    await stub(SECOND, () => '192.0.2.2');
    await forwarder();
    const began = performance.now();
    expect(said(await askByUdp(query('www.example.com')), 'www.example.com')).toBe('192.0.2.2');
    expect(performance.now() - began).toBeLessThan(PATIENCE.stepMs);
  });

  test('asks once more where a datagram was lost', async () => {
    let count = 0;
    await stub(CLUSTER, () => (++count === 1 ? 'silence' : '10.96.0.1'));
    await forwarder();
    expect(said(await askByUdp(query(API)), API)).toBe('10.96.0.1');
  });

  test('that a name does not exist is an answer: nobody else is asked', async () => {
    const cluster = await stub(CLUSTER, () => RCODE.nxDomain);
    const office = await stub(OFFICE, () => '192.0.2.1');
    await forwarder();
    expect(said(await askByUdp(query(API)), API)).toBe(RCODE.nxDomain);
    expect([cluster.asked.length, office.asked.length]).toEqual([1, 0]);
  });

  test('SERVFAIL where nobody answers; names of the cluster go nowhere else even then', async () => {
    const office = await stub(OFFICE, () => '192.0.2.1');
    await forwarder();
    expect(said(await askByUdp(query(API)), API)).toBe(RCODE.servFail);
    expect(office.asked).toEqual([]);
  });

  test.each([
    ['nobody but the cluster can be asked', []],
    ['the machine names no server and has none of its own', ['127.0.0.1']],
  ])('where %s, a short name is asked there', async (_where, former) => {
    await stub(CLUSTER, () => '10.96.0.1');
    await forwarder(former);
    expect(said(await askByUdp(query('api.team-a')), 'api.team-a')).toBe(RCODE.servFail);
    expect(said(await askByUdp(query(API)), API)).toBe('10.96.0.1');
  });

  test('a name that nobody knew is not asked in the cluster with our search list behind it, short names are', async () => {
    const cluster = await stub(CLUSTER, () => '10.96.0.1');
    await stub(OFFICE, () => RCODE.nxDomain);
    await forwarder([OFFICE]);
    const asked = async (name: string) => said(await askByUdp(query(name)), name);
    for (const name of ['exampl.com', 'intranet', 'api.team-b', 'www.exampl.com'])
      expect([name, await asked(name)]).toEqual([name, RCODE.nxDomain]);
    for (const name of ['exampl.com', 'www.exampl.com'])
      for (const suffix of SEARCH) expect([name, await asked(`${name}.${suffix}`)]).toEqual([name, RCODE.nxDomain]);
    expect(await asked('api.team-b.team-a.svc.cluster.local')).toBe(RCODE.nxDomain);
    expect(cluster.asked).toEqual([]);
    for (const name of ['intranet.team-a', 'api.team-b', 'web-0.web.team-a'])
      expect(await asked(`${name}.svc.cluster.local`)).toBe('10.96.0.1');
  });

  test('a name is kept out of the cluster also where the office is silent', async () => {
    const cluster = await stub(CLUSTER, () => '10.96.0.1');
    await forwarder([OFFICE]);
    await askByUdp(query('example.com'));
    const name = 'example.com.svc.cluster.local';
    expect(said(await askByUdp(query(name)), name)).toBe(RCODE.nxDomain);
    expect(cluster.asked).toEqual([]);
  });

  test('everything: nothing is asked of the former servers', async () => {
    const office = await stub(OFFICE, () => '192.0.2.1');
    await stub(CLUSTER, () => '10.96.0.1');
    await forwarder([OFFICE], true);
    expect(said(await askByUdp(query('www.example.com')), 'www.example.com')).toBe('10.96.0.1');
    expect(office.asked).toEqual([]);
  });

  test('an answer too long for a datagram is asked for again by TCP, several in one stream, byte by byte', async () => {
    const cluster = await stub(CLUSTER, ({ transport }) => (transport === 'udp' ? 'truncated' : '10.96.0.1'));
    await forwarder();
    expect(isTruncated(await askByUdp(query(API)))).toBe(true);
    const answers = await askByTcp([query(API, 1), query('b.cluster.local', 2)]);
    expect(new Set(answers.map((answer) => answer[1]))).toEqual(new Set([1, 2]));
    expect(answers.map(rcodeOf)).toEqual([0, 0]);
    expect(cluster.asked.map(({ transport }) => transport)).toEqual(['udp', 'tcp', 'tcp']);
  });

  test('never asks itself, and a question that comes back to it ends', async () => {
    await forwarder([OWN]);
    expect(said(await askByUdp(query('www.example.com')), 'www.example.com')).toBe(RCODE.servFail);
    // A server that asks us in turn, as dnsmasq does that reads resolv.conf.
    const ring = await stub(OFFICE, ({ message }) => {
      void askByUdp(message).catch(() => undefined);
      return 'silence';
    });
    const [us] = open.splice(0, 1);
    await us?.close();
    await forwarder([OFFICE]);
    expect(said(await askByUdp(query('www.example.com')), 'www.example.com')).toBe(RCODE.servFail);
    expect(ring.asked.length).toBeLessThanOrEqual(PATIENCE.rounds);
  });

  test('a question that many ask at once is asked once, and each has the answer under its own id', async () => {
    const cluster = await stub(CLUSTER, () => '10.96.0.1');
    await forwarder();
    const ids = Array.from({ length: 50 }, (_, index) => index);
    const answers = await Promise.all(ids.map((id) => askByUdp(query(API, id))));
    expect(answers.map((answer, id) => said(answer, API, id))).toEqual(ids.map(() => '10.96.0.1'));
    expect(cluster.asked.length).toBeLessThan(50);
  });

  test('more questions than it can hold are told so at once', async () => {
    await stub(CLUSTER, () => 'silence');
    const own = await forwarder();
    const all = Array.from({ length: 300 }, (_, index) => own.answer(query(`x${index}.cluster.local`), 'udp'));
    const first = await Promise.race(all);
    expect(rcodeOf(first ?? Uint8Array.of())).toBe(RCODE.servFail);
    await Promise.all(all);
  });

  test('what is no query is answered by an error or not at all, and breaks nothing', async () => {
    const own = await forwarder();
    expect(rcodeOf(await askByUdp(query(API).subarray(0, 20)))).toBe(RCODE.formErr);
    expect(await own.answer(Uint8Array.of(1, 2, 3), 'udp')).toBeUndefined();
    await stub(CLUSTER, () => '10.96.0.1');
    expect(said(await askByUdp(query(API)), API)).toBe('10.96.0.1');
  });

  test('takes the next free address, and says so where there is none', async () => {
    await forwarder();
    const routes = { clusters: [], former: [] };
    const second = await Forwarder.open({ addresses: [OWN, '127.0.53.111'], port, routes });
    open.push(second);
    expect(second.address).toBe('127.0.53.111');
    await expect(Forwarder.open({ addresses: [OWN], port, routes })).rejects.toThrow(
      /port \d+ is taken on 127\.0\.53\.110/,
    );
  });
});

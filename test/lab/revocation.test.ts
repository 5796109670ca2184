import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refuseAgentWrites, silenceApiServer, unsilenceApiServer } from './adversity.ts';
import { auditLog, type WrittenLine } from './audit-log.ts';
import { flowsOn, peersOn } from './gateway-node.ts';
import type { Laptop } from './laptop.ts';
import { type Device, type Mesh, must, startMesh, until } from './mesh.ts';
import { askSoonAndLong, Traffic } from './traffic.ts';

/** A device is out this long after kubectl's answer, or after its own last moment. */
const OUT_WITHIN_MS = 1000;
/** How long nothing may get through. It begins before a second has passed, so that nothing is missed. */
const SILENCE_MS = 2500;
/** The schema knows whole seconds. */
const LIFETIME_S = 5;
/** Long enough for the nodes to hear of the expiry, short enough to end before it. */
const HEARD_MS = 1500;
const NAMES = ['deleted', 'suspended', 'expired'] as const;
/** What the audit log has of each, by kubectl's own names for itself. */
const PUT_OUT = {
  deleted: { reason: 'Deleted' },
  suspended: { reason: 'Suspended', by: 'kubectl-patch' },
  // By the node's own clock, or by the operator's where a guest's is late.
  expired: { reason: expect.stringMatching(/^(Expired|NotAccepted)$/) },
} as const;
/** WireGuard's own choice is above 32768. */
const ROAMED_PORT = 20_000;

type Name = (typeof NAMES)[number];

/** A laptop with its device, and traffic to a Service that never rests. */
interface Member {
  readonly laptop: Laptop;
  readonly device: Device;
  readonly address: string;
  readonly datagrams: Traffic;
  readonly stream: Traffic;
}

/** Puts a device out; resolves with the moment from which on it must be out. */
type Revoke = (device: Device) => Promise<number>;

const members = new Map<Name, Member>();
const measured: string[] = [];
let mesh: Mesh;
let service: string;

beforeAll(async () => {
  mesh = await startMesh('revocation', 'mixed');
  service = await mesh.serviceAddress('hello-node-2');
  await join('deleted', 'node-1');
  await join('suspended', 'node-2');
  await join('expired', 'node-1');
});

afterAll(async () => {
  for (const { datagrams, stream } of members.values()) await Promise.all([datagrams.stop(), stream.stop()]);
  await mesh?.cluster.stop();
  console.log(`measured from kubectl’s answer, or from the moment of expiry:\n${measured.join('\n')}`);
});

const deleted: Revoke = (device) => mesh.deleteDevice(device);
const suspended: Revoke = (device) => mesh.patchDevice(device, { suspended: true });
const expired: Revoke = async (device) => {
  const expiry = Math.ceil(Date.now() / 1000 + LIFETIME_S) * 1000;
  await mesh.patchDevice(device, { expiresAt: new Date(expiry).toISOString().replace('.000Z', 'Z') });
  return expiry;
};

const back = {
  deleted: () => mesh.applyDevice(member('deleted').device),
  suspended: () => mesh.patchDevice(member('suspended').device, { suspended: false }),
  expired: () => mesh.patchDevice(member('expired').device, { expiresAt: null }),
};

describe.concurrent('with everything running', () => {
  test('a deleted device is out, and in again once applied; its old connections are over', async () => {
    await outAndIn('deleted', deleted);
  });

  test('a suspended device is out, and in again once resumed; its old connections are over', async () => {
    await outAndIn('suspended', suspended);
  });

  test('an expired device is out, and in again with a later expiry; its old connections are over', async () => {
    await outAndIn('expired', expired);
  });

  async function outAndIn(name: Name, revoke: Revoke): Promise<void> {
    const gone = await outOf(name, revoke);
    await inAgain(name);
    const { stream } = member(name);
    const { at, reason } = await stream.untilClosed(60);
    note(name, 'the old connection is told after', at - gone);
    expect(reason).toBe('ECONNRESET');
    expect(stream.answersAfter(gone + OUT_WITHIN_MS)).toEqual([]);
  }
});

describe('the audit log of', () => {
  const peer = (name: Name) => ({ namespace: 'demo', name });
  const about = (lines: readonly WrittenLine[], name: Name) =>
    lines.filter((line) => 'peer' in line && line.peer?.name === name).map(({ program, time, ...line }) => line);

  test('each node tells whom it let in, who connected and from where, and whom it put out, why and by which program', async () => {
    const { laptop } = member('suspended');
    const sessions = (lines: readonly WrittenLine[]) =>
      about(lines, 'suspended').filter(({ event, node }) => /connected|roamed/.test(event) && node === 'node-2');
    const before = await portOf(laptop);
    await until(
      'its session, since it is in again, in the audit log',
      () => auditLog(mesh, 'agent'),
      (seen) =>
        about(seen, 'suspended')
          .filter(({ node }) => node === 'node-2')
          .at(-1)?.event === 'connected',
    );
    const dials = (port: number) => ({ endpoint: `${laptop.address}:${port}` });
    const session = { peer: peer('suspended'), gateway: 'default', lastHandshake: expect.any(String) };
    const began = Date.now();
    must(await laptop.exec(['wg', 'set', 'mesh', 'listen-port', String(ROAMED_PORT)]));
    const lines = await until(
      'the other port in the audit log',
      () => auditLog(mesh, 'agent'),
      (seen) => sessions(seen).some(({ event }) => event === 'roamed'),
    );
    note('suspended', 'has roamed, by the audit log, after', Date.now() - began);
    expect(sessions(lines)[0]).toMatchObject({ event: 'connected', ...session, ...dials(before) });
    expect(sessions(lines).at(-1)).toMatchObject({ event: 'roamed', ...session, ...dials(ROAMED_PORT) });

    for (const name of NAMES) {
      const comesAndGoes = about(lines, name).filter(({ event }) => /let-in|put-out/.test(event));
      const letIn = { event: 'let-in', peer: peer(name), gateway: 'default', addresses: [member(name).address] };
      for (const { name: node } of mesh.cluster.nodes)
        expect(comesAndGoes.filter((line) => line.node === node)).toEqual(
          [letIn, { event: 'put-out', peer: peer(name), gateway: 'default', ...PUT_OUT[name] }, letIn].map((line) =>
            expect.objectContaining({ ...line, node }),
          ),
        );
    }
  });

  test('the operator tells whom it accepted and refused, and which program had written', async () => {
    const lines = await auditLog(mesh, 'operator');
    const decisions = (name: Name) =>
      about(lines, name).map((line) => ('reason' in line ? [line.event, line.reason, line.by] : [line.event]));
    const applied = ['admitted', 'Accepted', 'kubectl-client-side-apply'];
    const patched = ['admitted', 'Accepted', 'kubectl-patch'];
    // What it takes away is all that kubectl-patch had written, so that managedFields know of it no more.
    const takenAway = applied;
    expect(decisions('deleted')).toEqual([applied, applied]);
    expect(decisions('suspended')).toEqual([applied, ['rejected', 'Suspended', 'kubectl-patch'], patched]);
    expect(decisions('expired')).toEqual([applied, ['rejected', 'Expired', undefined], takenAway]);
  });
});

describe('with the operator scaled to zero and every write of the agents refused', () => {
  let giveBack: () => Promise<void>;

  beforeAll(async () => {
    for (const name of NAMES) await renewStream(name);
    giveBack = await refuseAgentWrites(mesh);
    await mesh.scale('sallyport-operator', 0);
  });

  afterAll(async () => {
    await giveBack();
    await mesh.scale('sallyport-operator', 2);
  });

  describe.concurrent('a device is out that is', () => {
    test('deleted', async () => {
      await outOf('deleted', deleted);
    });

    test('suspended, and in again once resumed', async () => {
      await outOf('suspended', suspended);
      await inAgain('suspended');
    });

    test('expired', async () => {
      await outOf('expired', expired);
      await back.expired();
    });
  });
});

test('a device that was deleted meanwhile is in again once applied, at its old address', async () => {
  await inAgain('deleted');
  const { device, address } = member('deleted');
  expect((await mesh.untilPeer(device, 'Programmed')).status?.addresses).toEqual([address]);
});

test('with an API server that cannot be reached a device expires all the same', async () => {
  await renewStream('expired');
  try {
    await outOf('expired', async (device) => {
      const expiry = await expired(device);
      await delay(HEARD_MS);
      await silenceApiServer(mesh.cluster);
      expect((await mesh.cluster.tryKubectl(['get', 'nodes', '--request-timeout=1s'])).code).not.toBe(0);
      return expiry;
    });
  } finally {
    await unsilenceApiServer(mesh.cluster);
  }
});

function member(name: Name): Member {
  const found = members.get(name);
  if (found === undefined) throw new Error(`${name} has not joined`);
  return found;
}

async function join(name: Name, gateway: string): Promise<void> {
  const [laptop, device] = [await mesh.cluster.addLaptop(name), await mesh.addDevice(name)];
  await askSoonAndLong(laptop);
  await mesh.join(laptop, device, mesh.cluster.node(gateway).address);
  const [address = ''] = (await mesh.peer(device)).status?.addresses ?? [];
  const traffic = {
    datagrams: new Traffic(laptop, 'datagrams', service),
    stream: new Traffic(laptop, 'stream', service),
  };
  members.set(name, { laptop, device, address, ...traffic });
}

async function portOf(laptop: Laptop): Promise<number> {
  return Number(must(await laptop.exec(['wg', 'show', 'mesh', 'listen-port'])));
}

async function renewStream(name: Name): Promise<void> {
  const before = member(name);
  await before.stream.stop();
  members.set(name, { ...before, stream: new Traffic(before.laptop, 'stream', service) });
}

/** Sees packets pass, revokes, sees them stop in time on every way, and that the nodes know nothing of the device any more. */
async function outOf(name: Name, revoke: Revoke): Promise<number> {
  const { device, address, datagrams, stream } = member(name);
  const began = Date.now();
  await Promise.all([datagrams.answerAfter(began), stream.answerAfter(began)]);
  const asked = Date.now();
  const gone = await revoke(device);
  // The device may be out before kubectl has said so; one that expires is let in to its last second.
  const letInUntil = gone > Date.now() ? gone : asked;
  await delay(gone + SILENCE_MS - Date.now());
  for (const [kind, traffic] of Object.entries({ datagrams, stream })) {
    note(name, `last answer of ${kind}`, (traffic.lastAnswer ?? 0) - gone);
    expect(traffic.answersAfter(gone + OUT_WITHIN_MS)).toEqual([]);
    // It was let in to the last, so what ended it is what should have.
    expect((traffic.lastAnswer ?? 0) - letInUntil).toBeGreaterThan(-OUT_WITHIN_MS);
  }
  for (const node of mesh.cluster.nodes) {
    expect(await peersOn(node)).not.toContain(device.keys.publicKey);
    expect(await flowsOn(node, address)).toEqual([]);
  }
  return gone;
}

/** Lets the device in again and waits until its laptop, which is not told, gets answers. */
async function inAgain(name: Name): Promise<void> {
  const began = Date.now();
  await back[name]();
  note(name, 'in again after', (await member(name).datagrams.answerAfter(began)) - began);
}

function note(name: Name, what: string, ms: number): void {
  measured.push(`${name}: ${what} ${Math.round(ms)} ms`);
}

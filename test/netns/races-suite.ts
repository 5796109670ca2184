import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type MeshAccess, meshAccessType } from '../../src/api/meshaccess.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import type { Running } from '../../src/host/exec.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { aKey, aMember } from '../support/builders.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import type { TestCluster } from './cluster.ts';
import { FollowingNode } from './following-node.ts';
import { startProgram } from './mesh.ts';
import { NAMESPACES, scanWorld } from './scan-world.ts';

/** What a device said of one byte or datagram that it sent (programs/dial.ts). */
interface Said {
  readonly target: string;
  readonly began: number;
  readonly ended: number;
  readonly outcome: string;
}

const ALICES = ['10.213.0.16', 'fd5a:213::16'];
/** Through the node to a pod, and to the node itself; held, and dialled anew each time. */
const TARGETS = ['tcp,10.96.0.20,7', 'udp,10.96.0.1,53', 'udp,fd5a:96::1,53'].flatMap((target) => [
  `hold,${target}`,
  `each,${target}`,
]);
const HELD = TARGETS.filter((target) => target.startsWith('hold'));
const FLOWS = [
  '-s 10.213.0.16 -d 10.96.0.20 -p tcp --dport 7',
  '-s 10.213.0.16 -d 10.96.0.1 -p udp --dport 53',
  '-f ipv6 -s fd5a:213::16 -d fd5a:96::1 -p udp --dport 53',
];
const CHANGES = { toShut: 100, toOpen: 30 };
/** So often the next change waits until something of alice's is open, so that there is something to end. */
const OPEN_EVERY = 10;
const MOST_GAP_MS = 1000;
/** Of what was sent to each target, until it counts. */
const ENOUGH = 10;

let made = 0;

/** Grants and devices that come and go faster than a node carries it out, while those devices dial. */
export function describeRaces(given: () => TestCluster): void {
  describe('grants that come and go while devices dial', () => {
    const programs: Running[] = [];
    let node: FollowingNode;
    let alice: MeshPeer;
    let alices: Said[];
    let bobs: Said[];

    beforeEach(async () => {
      const { gateway, peers, services } = scanWorld(given(), 'Deny');
      alice = peers.alice;
      const objects = { gateway, peers: Object.values(peers), services, namespaces: NAMESPACES };
      node = new FollowingNode(objects, given().gateway.host);
      node.accesses.put(grant('bobs', 'team-b'));
      await node.begin();
      alices = await dial('alice', 300, TARGETS);
      bobs = await dial('bob', 5000, HELD);
      await answered(bobs, HELD, Date.now());
    });
    afterEach(async () => {
      node.close();
      for (const program of programs.splice(0)) await program.stop();
    });

    async function dial(laptop: 'alice' | 'bob', patience: number, targets: readonly string[]): Promise<Said[]> {
      const said: Said[] = [];
      const { commands } = given()[laptop].namespace;
      const onLine = (line: string) => line.startsWith('{') && said.push(JSON.parse(line));
      programs.push(await startProgram(commands, `dial.ts ${patience} ${targets.join(' ')}`, onLine));
      return said;
    }

    const allow = () => node.accesses.put(grant('alices', 'team-a'));
    const revoke = () => node.accesses.remove(keyOf(grant('alices', 'team-a').metadata));

    /** Grants and revokes in turn, each at another moment of what the node does about those before; it ends with a revocation. */
    async function toggle(changes: number): Promise<void> {
      for (let change = 1; change <= changes; change += 1) {
        if (change % 2 === 0) revoke();
        else allow();
        if (change % OPEN_EVERY === 1) await isOpen();
        for (let moment = 0; moment < change % 4; moment += 1) await node.moment();
      }
    }

    /**
     * Deletes alice's device and makes it again, and gives its address to another, with this key or with one of its own; at the end it is
     * alice's again. So many moments pass between two steps.
     */
    async function replace(moments: number): Promise<void> {
      const key = keyOf(alice.metadata);
      const others = [carol(alice.spec.publicKey as PublicKey), carol(aKey('carol'))];
      const steps = others.flatMap((other) => [
        () => node.peers.remove(key),
        () => node.peers.put(again(alice)),
        revoke,
        () => node.peers.remove(key),
        () => node.peers.put(other),
        allow,
        () => node.peers.put(again(alice)),
        () => node.peers.remove(keyOf(other.metadata)),
      ]);
      allow();
      await isOpen();
      for (const step of steps) {
        step();
        for (let moment = 0; moment < moments; moment += 1) await node.moment();
      }
      await node.settled();
      await given().shakeHands(given().alice);
    }

    const isOpen = () => answered(alices, TARGETS, Date.now());

    /** What the node has of alice's address: grants, and connections to what they are about. */
    async function left(): Promise<readonly string[]> {
      const { host, namespace } = given().gateway;
      const { state } = await host.observe(PLAN_NAMES);
      const sets = [...(state.ruleset?.elements ?? [])].filter(([name]) => name.startsWith('by_peer'));
      const elements = sets
        .flatMap(([, texts]) => texts)
        .filter((text) => ALICES.some((own) => text.startsWith(`${own} `)));
      const found = await Promise.all(FLOWS.map((words) => namespace.run(`conntrack -L ${words}`)));
      return [...elements, ...found.flatMap((text) => text.split('\n').filter((line) => line !== ''))];
    }

    /** Of what alice has sent from now on nothing is answered, and nothing of it stays. */
    async function expectShut(): Promise<void> {
      await node.settled();
      expect(await left()).toEqual([]);
      const since = Date.now();
      await expect.poll(() => leastOf(alices, TARGETS, since), { interval: 20 }).toBeGreaterThanOrEqual(ENOUGH);
      expect(alices.filter(({ began, outcome }) => began >= since && outcome === 'answered')).toEqual([]);
      expect(await left()).toEqual([]);
    }

    /** Of what bob has sent, all was answered soon. */
    async function expectUntouched(): Promise<void> {
      await answered(bobs, HELD, Date.now());
      expect(bobs.filter(({ outcome }) => outcome !== 'answered')).toEqual([]);
      for (const target of HELD) expect(longestGap(bobs, target), target).toBeLessThan(MOST_GAP_MS);
    }

    test('leave nothing open after the last has gone, and others go on', async () => {
      await toggle(CHANGES.toShut);
      await expectShut();
      await expectUntouched();
      const served = alices.filter(({ outcome }) => outcome === 'answered').length;
      const gaps = HELD.map((target) => longestGap(bobs, target));
      console.log(
        `${CHANGES.toShut} changes: alice was answered ${served} of ${alices.length} times; bob waited ${Math.max(...gaps)} ms at most`,
      );
    });

    test('leave open what the last opens, and it stays so', async () => {
      await toggle(CHANGES.toOpen);
      allow();
      await node.settled();
      await isOpen();
      const since = Date.now();
      await expect.poll(() => leastOf(alices, TARGETS, since), { interval: 20 }).toBeGreaterThanOrEqual(ENOUGH);
      expect(alices.filter(({ began, outcome }) => began >= since && outcome !== 'answered')).toEqual([]);
      await expectUntouched();
    });

    test('are of the device that has the address, whoever had it', async () => {
      for (const moments of [0, 2]) await replace(moments);
      await isOpen();
      node.peers.put(carol(alice.spec.publicKey as PublicKey));
      node.peers.remove(keyOf(alice.metadata));
      await expectShut();
      await expectUntouched();
    });

    /** Another's device, to which nobody grants anything, with the address of alice's. */
    function carol(publicKey: PublicKey): MeshPeer {
      const status = { ...alice.status, publicKey };
      return aMember({ name: 'carol', namespace: 'shop', spec: { publicKey }, status });
    }
  });
}

/** The device's MeshPeer as made anew. */
function again(peer: MeshPeer): MeshPeer {
  made += 1;
  return { ...peer, metadata: { ...peer.metadata, uid: `made-${made}` } };
}

/** What `TARGETS` are about, to the devices of this namespace. */
function grant(name: string, namespace: string): MeshAccess {
  return meshAccessType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshAccess',
    metadata: { name, namespace: 'shop' },
    spec: {
      from: [{ namespaces: { names: [namespace] } }],
      to: [
        { names: ['10-96-0-20'], ports: [{ number: 7 }] },
        { names: ['10-96-0-1', 'fd5a-96--1'], ports: [{ number: 53 }] },
      ],
    },
  });
}

/** Resolves once something that was sent to each of the targets from then on was answered. */
async function answered(said: readonly Said[], targets: readonly string[], since: number): Promise<void> {
  const open = () => said.filter(({ outcome }) => outcome === 'answered');
  await expect.poll(() => leastOf(open(), targets, since), { interval: 20 }).toBeGreaterThan(0);
}

/** Of the target of which least was said, how often. */
function leastOf(said: readonly Said[], targets: readonly string[], since: number): number {
  const recent = said.filter(({ began }) => began >= since);
  return Math.min(...targets.map((target) => recent.filter((one) => one.target === target).length));
}

function longestGap(said: readonly Said[], target: string): number {
  const ends = said.filter((one) => one.target === target).map(({ ended }) => ended);
  return Math.max(...ends.slice(1).map((end, index) => end - (ends[index] ?? end)));
}

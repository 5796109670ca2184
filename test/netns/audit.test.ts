import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { because } from '../support/because.ts';
import { aGrant } from '../support/grants.ts';
import type { NodePlanWishes } from '../support/node-plans.ts';
import { describeCarriedBytes } from './audit-bytes-suite.ts';
import { ALICE, AuditLog, BOB } from './audit-log.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import type { Namespace } from './namespace.ts';

/** What a device may ask; everything else is refused. */
const GRANTED = 'get http://10.96.0.20/';
const MOST_LINES = 2_000;
const MOST_NOTED = 8_192;

describe.skipIf(missing).each(['nftables', 'iptables'] as const)(
  `the audit log of a node, with kube-proxy in %s mode${because(missing)}`,
  (mode) => {
    let cluster: TestCluster;
    let alice: Namespace;
    let log: AuditLog;

    const told = () => log.told();
    const begin = (wishes: NodePlanWishes) =>
      log.begin({
        accessDefault: 'Deny',
        granted: { services: [aGrant(`${ALICE} tcp 10.96.0.20 80`)], ranges: [] },
        ...wishes,
      });

    beforeAll(async () => {
      cluster = await TestCluster.create(mode);
      alice = cluster.alice.namespace;
      log = new AuditLog(cluster);
    });
    afterAll(() => cluster?.dispose());

    describe('of what is refused', () => {
      beforeEach(() => begin({ audited: 'Denied' }));

      test.each([
        [
          'a Service',
          'tcp 10.96.0.1 443',
          { address: '10.96.0.1', port: 443, service: { namespace: 'default', name: 'kubernetes' } },
        ],
        ['no Service', 'tcp 10.96.9.9 80', { address: '10.96.9.9', port: 80 }],
        ['the node', 'tcp 10.1.0.1 10250', { address: '10.1.0.1', port: 10250 }],
        [
          'a Service over IPv6',
          'tcp fd5a:96::20 80',
          { address: 'fd5a:96::20', port: 80, service: { namespace: 'team-a', name: 'web' } },
        ],
        [
          'UDP',
          'udp 10.96.0.1 53',
          { address: '10.96.0.1', port: 53, service: { namespace: 'default', name: 'kubernetes' } },
        ],
      ])('%s has a line with who dialled it', async (_what, question, to) => {
        await alice.ask(question);
        const lines = await told();
        expect(lines).toEqual([
          expect.objectContaining({
            event: 'connection',
            verdict: 'denied',
            peer: { namespace: 'team-a', name: 'ada', owner: 'ada@example.com' },
            from: to.address.includes(':') ? 'fd5a:213::16' : ALICE,
            to,
            protocol: question.split(' ')[0],
            count: expect.any(Number),
          }),
        ]);
        expect(await told()).toEqual([]);
      });

      test('a ping has one without a port', async () => {
        await alice.tries('ping -c 3 -i 0.2 -W 1 10.96.9.9');
        expect(await told()).toMatchObject([{ to: { address: '10.96.9.9' }, protocol: 'icmp', count: 3, bytes: 252 }]);
      });

      test('one line tells how often, and what is let in has none', async () => {
        for (let asked = 0; asked < 3; asked += 1) await alice.ask('tcp 10.96.9.9 80');
        await alice.ask(GRANTED);
        expect(await told()).toMatchObject([{ to: { address: '10.96.9.9' }, count: 3, bytes: 180 }]);
      });
    });

    test('of what is let in as well tells each connection once, where that is wished for', async () => {
      await begin({ audited: 'All' });
      for (let asked = 0; asked < 2; asked += 1) await alice.ask(GRANTED);
      await alice.ask('get http://10.96.0.20/big');
      await alice.ask('udp 10.96.0.10 53');
      const lines = await told();
      expect(lines).toContainEqual(
        expect.objectContaining({
          verdict: 'accepted',
          to: expect.objectContaining({ address: '10.96.0.20', port: 80 }),
          count: 3,
        }),
      );
      expect(lines).toContainEqual(
        expect.objectContaining({
          verdict: 'accepted',
          protocol: 'udp',
          to: { address: '10.96.0.10', port: 53 },
          count: 1,
        }),
      );
    });

    test('of nothing, where that is wished for, and what is refused is refused', async () => {
      await begin({ audited: 'None' });
      expect((await alice.ask('tcp 10.96.9.9 80')).answer).toBe('ECONNREFUSED');
      expect(await told()).toEqual([]);
    });

    describeCarriedBytes(() => ({ cluster, log }));

    describe('under a scan', () => {
      /** How many packets have been refused, once no more of them are on their way. */
      const refused = async () => {
        let count = Number.NaN;
        const isQuiet = async () => {
          const before = count;
          const chain = await cluster.gateway.namespace.run('nft list chain inet sallyport_default refuse');
          count = Number(/counter packets (\d+)/.exec(chain)?.[1]);
          return count === before;
        };
        await expect.poll(isQuiet, { interval: 200 }).toBe(true);
        return count;
      };

      test.each([7_000, 4 * MOST_NOTED])(
        'of %i destinations is bounded, counts the rest, and everything is refused',
        async (count) => {
          await begin({ audited: 'Denied', newConnectionsPerSecond: 0 });
          const before = await refused();
          const program = join(import.meta.dirname, 'programs/scan.ts');
          const least = Math.min(count / 2, MOST_NOTED);
          let [packets, ms] = [0, 0];
          // What is sent as fast as it can be gets lost where others compute.
          for (let net = 100; packets <= least; net += 1) {
            ms += Number(await alice.run(`${process.execPath} ${program} 10.${net}.0.1 ${count}`));
            packets = (await refused()) - before;
          }
          const began = performance.now();
          const lines = await told();
          console.log(
            `${count} destinations in ${ms} ms, ${packets} refused, read in ${Math.round(performance.now() - began)} ms`,
          );
          const left = lines.filter(({ event }) => event === 'left-out');
          expect(lines.length - left.length).toBe(MOST_LINES);
          expect(left[0]).toMatchObject({ verdict: 'denied', from: ALICE });
          expect(lines.reduce((sum, { count: some }) => sum + Number(some), 0)).toBe(packets);
          expect(left.slice(1).map(({ from }) => from)).toEqual(left.slice(1).map(() => undefined));
          expect(await told()).toEqual([]);
          await cluster.bob.namespace.ask('tcp 10.96.9.9 80');
          expect(await told()).toMatchObject([{ from: BOB, to: { address: '10.96.9.9', port: 80 } }]);
        },
      );
    });
  },
);

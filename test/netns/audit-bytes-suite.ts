import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CARRIED, MOST_CARRIED } from '../../src/mesh/audit/carried.ts';
import { aGrant } from '../support/grants.ts';
import type { NodePlanWishes } from '../support/node-plans.ts';
import { ALICE, type AuditLog, BOB, type ToldLine } from './audit-log.ts';
import type { TestCluster } from './cluster.ts';
import { startProgram } from './mesh.ts';

const BIG = 10_000_000;
const UP = 4_000_000;
/** Headers of full segments, of acknowledgements, and of HTTP, where the kernel has put no segments together. */
const HEADERS = 1.08;
/** IPv4's and UDP's, or ICMP's. */
const DATAGRAM_HEADERS = 28;
const HOOKS = ['forward', 'input', 'output'] as const;

/** Three datagrams from one socket to a port where nobody listens. */
const UNANSWERED = `
  const socket = require('node:dgram').createSocket('udp4');
  const send = (left) => (left === 0 ? socket.close() : socket.send('hello', 9, '${BOB}', () => setTimeout(send, 20, left - 1)));
  send(3);
`;

const sum = (lines: readonly ToldLine[], of: 'count' | 'bytes' | 'bytesToDevice') =>
  lines.reduce((all, line) => all + Number(line[of] ?? 0), 0);

/** That the bytes of what is let in are those that went through, whatever happens meanwhile. */
export function describeCarriedBytes(given: () => { readonly cluster: TestCluster; readonly log: AuditLog }): void {
  describe('tells what connections have carried that are let in', () => {
    const wishes: NodePlanWishes = { audited: 'All', accessDefault: 'Allow', peerToPeer: 'Allow' };

    /** What another table counts at the same hooks of what alice's connections to this port carry, or to any. */
    const weighed = async () => {
      const text = await given().cluster.gateway.namespace.run('nft -j list counter inet weigh alices');
      const { nftables } = JSON.parse(text) as {
        nftables: readonly { readonly counter?: { readonly bytes: number } }[];
      };
      return nftables.find(({ counter }) => counter !== undefined)?.counter?.bytes ?? 0;
    };
    const resetWeight = () => given().cluster.gateway.namespace.run('nft reset counter inet weigh alices');
    const alice = () => given().cluster.alice.namespace;
    const told = () => given().log.told();

    beforeAll(async () => {
      const { namespace, folder } = given().cluster.gateway;
      const weigh = ['ip saddr 10.213.0.16', 'ip6 saddr fd5a:213::16'].map(
        (source) => `meta l4proto { tcp, udp } ct original ${source} counter name alices`,
      );
      const chains = HOOKS.map(
        (hook) => `chain ${hook} {\n type filter hook ${hook} priority 10;\n ${weigh.join('\n ')}\n }`,
      );
      const file = join(folder, 'weigh.nft');
      await writeFile(file, `table inet weigh {\n counter alices { }\n ${chains.join('\n ')}\n}\n`);
      await namespace.run(`nft -f ${file}`);
    });
    beforeEach(async () => {
      await given().log.begin(wishes);
      await resetWeight();
    });

    test.each([
      ['a body of some megabytes', 'get http://10.96.0.20/big', { address: '10.96.0.20', port: 80 }, BIG, 0],
      ['one that a device sends', `post http://10.96.0.20/ ${UP}`, { address: '10.96.0.20', port: 80 }, 0, UP],
      ['one over IPv6', 'get http://[fd5a:96::20]/big', { address: 'fd5a:96::20', port: 80 }, BIG, 0],
      ['one of the node itself', 'get http://10.96.0.1:443/big', { address: '10.96.0.1', port: 443 }, BIG, 0],
      ['one of another device', 'get http://10.213.0.17:8080/big', { address: BOB, port: 8080 }, BIG, 0],
      ['a few hundred bytes', 'get http://10.96.0.20/', { address: '10.96.0.20', port: 80 }, 0, 0],
    ])('%s', async (_what, question, to, down, up) => {
      await alice().ask(question);
      const lines = await told();
      expect(lines).toMatchObject([{ verdict: 'accepted', peer: { name: 'ada' }, to, count: 1 }]);
      const [bytes, bytesToDevice] = [sum(lines, 'bytes'), sum(lines, 'bytesToDevice')];
      console.log(`${question}: ${bytes} bytes, ${bytesToDevice} to the device`);
      expect(bytes).toBe(await weighed());
      const headers = 0.04 * (down + up) + 2_000;
      for (const [carried, body] of [
        [bytesToDevice, down],
        [bytes - bytesToDevice, up],
      ] as const) {
        expect(carried).toBeGreaterThan(body);
        expect(carried).toBeLessThan(HEADERS * body + headers);
      }
    });

    test('datagrams, to the byte', async () => {
      const { answer } = await alice().ask('datagrams 10.96.0.10 53 20 1000');
      const lines = await told();
      expect(lines).toMatchObject([{ to: { address: '10.96.0.10', port: 53 }, protocol: 'udp', count: 1 }]);
      const toDevice = Number(answer) + 20 * DATAGRAM_HEADERS;
      expect(lines[0]).toMatchObject({ bytes: 20 * (1000 + DATAGRAM_HEADERS) + toDevice, bytesToDevice: toDevice });
    });

    test('datagrams of the node itself, to the byte', async () => {
      const { answer } = await alice().ask('datagrams 10.96.0.1 53 5 100');
      const toDevice = Number(answer) + 5 * DATAGRAM_HEADERS;
      expect(await told()).toMatchObject([
        { to: { address: '10.96.0.1', port: 53 }, bytes: 5 * (100 + DATAGRAM_HEADERS) + toDevice },
      ]);
    });

    test('datagrams that nobody answers, to the byte, and one connection', async () => {
      await alice().commands.run([process.execPath, '-e', UNANSWERED]);
      // Whoever sent them has ended, and they may be on their way. Those that come together wireguard-go hands over as one, with one header.
      const all = [1, 2, 3].map((headers) => 3 * 5 + headers * DATAGRAM_HEADERS);
      await expect.poll(async () => all.includes(await weighed()), { timeout: 10_000 }).toBe(true);
      expect(await told()).toMatchObject([
        { to: { address: BOB, port: 9 }, count: 1, bytes: await weighed(), bytesToDevice: 0 },
      ]);
    });

    test('pings of another device, and none of the gateway', async () => {
      await alice().run('ping -c 3 -i 0.2 -W 1 10.213.0.17');
      await alice().run('ping -c 3 -i 0.2 -W 1 10.213.0.1');
      expect(await told()).toMatchObject([
        { to: { address: BOB }, protocol: 'icmp', count: 1, bytes: 6 * 84, bytesToDevice: 3 * 84 },
      ]);
    });

    test('many megabytes while the log is being read, to the byte', async () => {
      const all: ToldLine[] = [];
      let asked = 0;
      const asking = (async () => {
        for (; all.length < 5; asked += 1) await alice().ask('get http://10.96.0.20/big');
      })();
      while (all.length < 5) all.push(...(await told()));
      await asking;
      all.push(...(await told()));
      console.log(`${sum(all, 'bytes')} bytes of ${asked} connections in ${all.length} lines`);
      expect(sum(all, 'bytes')).toBe(await weighed());
      expect(sum(all, 'bytesToDevice')).toBeGreaterThan(asked * BIG);
      expect(sum(all, 'count')).toBe(asked);
    });

    describe('while a connection is open', () => {
      const echo = { address: '10.96.0.20', port: 7 };
      /** A connection that goes on until the test is over, and some of what it carries. */
      const held = async () => {
        const lines: string[] = [];
        const program = await startProgram(alice().commands, 'hold.ts 10.96.0.20 7', (line) => lines.push(line));
        return {
          carries: () => {
            const before = lines.length;
            return expect.poll(() => lines.length, { timeout: 10_000 }).toBeGreaterThan(before + 3);
          },
          stop: () => program.stop(),
        };
      };

      test.each([
        ['a line after each look', async () => []],
        ['another agent', () => given().log.restart('All')],
        [
          'another grant',
          async () => {
            const services = [...(denying.granted?.services ?? []), aGrant(`${BOB} tcp 10.96.0.20 80`)];
            await given().cluster.gateway.sync(given().cluster.plan({ ...denying, granted: { services, ranges: [] } }));
            return [];
          },
        ],
      ])('with %s, nothing is lost and nothing told twice', async (what, meanwhile) => {
        if (what === 'another grant') await given().log.begin(denying);
        await resetWeight();
        const connection = await held();
        const all: ToldLine[] = [];
        for (let look = 0; look < 3; look += 1) {
          await connection.carries();
          all.push(...(await meanwhile()));
          const lines = await told();
          expect(lines).toMatchObject([
            { to: echo, peer: { name: 'ada' }, count: look === 0 ? expect.any(Number) : 0 },
          ]);
          expect(lines[0]?.bytes).toBeGreaterThan(0);
          all.push(...lines);
        }
        await connection.stop();
        all.push(...(await told()));
        expect(sum(all, 'count')).toBe(1);
        expect(sum(all, 'bytes')).toBe(await weighed());
        expect(await told()).toEqual([]);
      });
    });

    test('what no set has room for is counted without a device', async () => {
      const { namespace, folder } = given().cluster.gateway;
      const [first = ''] = CARRIED.halves[0];
      const [other = ''] = CARRIED.halves[1];
      const elements = Array.from(
        { length: MOST_CARRIED },
        (_, index) => `10.213.9.9 . tcp . 10.100.${index >> 8}.${index & 255} . 80 . original`,
      );
      const file = join(folder, 'full.nft');
      await writeFile(
        file,
        [first, other].map((set) => `add element inet sallyport_default ${set} { ${elements.join()} }\n`).join(''),
      );
      await namespace.run(`nft -f ${file}`);
      await resetWeight();
      expect((await alice().ask('get http://10.96.0.20/big')).answer).toEqual({ bytes: BIG });
      const lines = await told();
      const leftOut = lines.filter(({ event, from }) => event === 'left-out' && from === undefined);
      expect(leftOut).toMatchObject([{ verdict: 'accepted', count: 0, bytes: await weighed() }]);
      await told();
      expect(await told()).toEqual([]);
    });
  });
}

const denying: NodePlanWishes = {
  audited: 'All',
  accessDefault: 'Deny',
  granted: { services: [aGrant(`${ALICE} tcp 10.96.0.20 7`)], ranges: [] },
};

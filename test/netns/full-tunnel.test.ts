import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { EVERYTHING } from '../../src/mesh/client-configuration.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { because } from '../support/because.ts';
import { ANSWERS, CLUSTER_DNS, DEVICE, ENDPOINT, FullWorld, LAN_DNS } from './full-world.ts';
import { missing } from './machine.ts';
import { startProgram } from './mesh.ts';
import { Namespace } from './namespace.ts';

const NODE = { four: '45.0.0.1', six: '2a00:45::1' };
const OWN = { four: '192.168.77.2', six: '2a00:77::2' };
const SOON = { timeout: 20_000, interval: 200 };
/** A refusal is told at once; a lost packet would be sent again after a second. Loaded machines need some leave. */
const AT_ONCE_MS = 900;
const FAR = ['tcp 8.8.8.8 8080', 'udp 1.1.1.1 53', 'tcp 2606:4700::1 8080', 'udp 2001:4860::8888 123'];
const NO_WAY = /^E(NET|HOST)UNREACH$/;

describe.skipIf(missing)(`a laptop with a full tunnel${because(missing)}`, () => {
  let world: FullWorld;
  beforeAll(async () => {
    world = await FullWorld.create();
  }, 120_000);
  afterAll(() => world?.dispose());

  const ask = async (question: string) => (await world.laptop.ask(question)).answer;
  const up = async (words = '--full') => {
    expect(await world.sallyport(`up lab ${words}`)).toMatchObject({ ok: true });
    await world.asked();
    await world.straysSeen();
  };
  /** What the LAN was asked but for the name of the endpoint, which has to be found somewhere. */
  const leaked = async () => (await world.asked())[LAN_DNS]?.filter((name) => name !== ENDPOINT);

  describe('that is up', () => {
    let before: string;
    beforeAll(async () => {
      // A link's own address is the kernel's for good a moment after the link is up.
      await vi.waitFor(async () => expect(await world.laptop.run('ip -6 address show tentative')).toBe(''), 10_000);
      before = await world.everything();
      expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: OWN.four });
      expect(await ask('get http://[2606:4700::1]:8080/')).toMatchObject({ from: OWN.six });
      await up();
    }, 60_000);
    afterAll(async () => {
      await world.sallyport('down lab');
      expect(await world.everything()).toBe(before);
      expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: OWN.four });
    });

    test('sends everything out by the node, and says so', async () => {
      expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: NODE.four });
      expect(await ask('get http://[2606:4700::1]:8080/')).toMatchObject({ from: NODE.six });
      const text = expect.stringContaining('and everything else: nothing goes beside it');
      expect(await world.sallyport('status lab')).toMatchObject({ ok: true, text });
    });

    test('still reaches the LAN', async () => {
      expect(await ask(`get http://${LAN_DNS}:8080/`)).toMatchObject({ from: OWN.four });
    });

    test('asks the cluster for all names, and nobody else', async () => {
      await world.asked();
      for (const name of ['www.office.example', 'example.com', 'api.team-a.svc.cluster.local', 'printer'])
        expect(await world.laptop.tries(`getent ahostsv4 ${name}`)).toContain(ANSWERS[CLUSTER_DNS]);
      const asked = await world.asked();
      expect(asked[LAN_DNS]?.filter((name) => name !== ENDPOINT)).toEqual([]);
      expect(asked[CLUSTER_DNS]).toContain('www.office.example');
    });

    test.each([
      ['UDP', `udp ${LAN_DNS} 53`],
      ['TCP', `tcp ${LAN_DNS} 53`],
      ['TLS', `tcp ${LAN_DNS} 853`],
      ['LLMNR', `udp ${LAN_DNS} 5355`],
    ])('refuses questions by %s that would leave beside the tunnel', async (_how, question) => {
      const { answer, ms } = await world.laptop.ask(question);
      expect(answer).toMatch(/^E(CONNREFUSED|HOSTUNREACH|PERM|ACCES)$/);
      expect(ms).toBeLessThan(AT_ONCE_MS);
      expect(await leaked()).toEqual([]);
    });

    test('sends nothing beyond the LAN but its own packets, whether the gateway carries them or not', async () => {
      for (const question of FAR) await ask(question);
      await world.laptop.tries('ping -c 1 -W 1 9.9.9.9');
      await world.gateway.namespace.run('ip link set wg-default down');
      for (const question of FAR) await ask(question);
      await world.serve();
      expect(await world.straysSeen()).toBe(0);
      expect(await leaked()).toEqual([]);
    }, 60_000);

    test('reaches the cluster through the tunnel, whatever ranges the LAN says are its own', async () => {
      await world.laptop.run(`ip route add 10.96.0.0/13 via ${LAN_DNS}`);
      expect(await world.laptop.run('ip route get 10.96.0.20')).toContain(`dev ${DEVICE}`);
      await world.laptop.run(`ip route delete 10.96.0.0/13 via ${LAN_DNS}`);
    });

    test('puts back what somebody flushed', async () => {
      await world.laptop.run('nft flush ruleset');
      await world.laptop.run('ip rule delete priority 5354');
      await vi.waitFor(async () => expect(await ask(`tcp ${LAN_DNS} 53`)).toBe('ECONNREFUSED'), SOON);
      await vi.waitFor(
        async () => expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: NODE.four }),
        SOON,
      );
    }, 60_000);

    test('is looked at by doctor', async () => {
      expect((await world.sallyport('doctor lab')).text).toContain(
        '✓ full tunnel   1.1.1.1 and 2606:4700:4700::1111 are reached by sp-lab, and nothing beside it\n',
      );
    }, 60_000);

    test('is the only one', async () => {
      world.join('other', { allowedIPs: ['10.240.0.0/16'] as Cidr[] });
      const { ok, text } = await world.sallyport('up other --full');
      expect(ok).toBe(false);
      expect(text).toContain('lab is up with --full, and everything can go into one tunnel only');
      world.profiles.remove('other');
    });
  });

  describe('that was otherwise brought up or ended', () => {
    afterEach(async () => {
      await world.sallyport('down lab');
      world.join('lab');
    });

    test('leaves everything else where it was unless it is asked for', async () => {
      await up('');
      expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: OWN.four });
      expect(await world.straysSeen()).toBeGreaterThan(0);
      expect(await world.laptop.run('ip rule')).not.toContain('535');
      expect(await world.laptop.run('nft list ruleset')).toBe('');
    });

    test('killed, it lets nothing out; the next up goes on, and down puts everything back, byte by byte', async () => {
      const before = await world.everything();
      await up();
      process.kill(await world.supervisor(), 'SIGKILL');
      for (const question of [`udp ${LAN_DNS} 53`, ...FAR]) await ask(question);
      // The endpoint's name is asked of the LAN's server, for want of another; nothing else is.
      expect(await world.sallyport('up lab --full')).toMatchObject({ ok: true });
      expect(await leaked()).toEqual([]);
      expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: NODE.four });
      process.kill(await world.supervisor(), 'SIGKILL');
      await world.laptop.run(`ip link delete ${DEVICE}`);
      const { answer, ms } = await world.laptop.ask('tcp 8.8.8.8 8080');
      expect(answer).toMatch(NO_WAY);
      expect(ms).toBeLessThan(AT_ONCE_MS);
      expect(await ask('tcp 2606:4700::1 8080')).toMatch(NO_WAY);
      expect(await world.sallyport('up lab --full')).toMatchObject({ ok: true });
      expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: NODE.four });
      process.kill(await world.supervisor(), 'SIGKILL');
      expect([await world.straysSeen(), await leaked()]).toEqual([0, []]);
      await world.sallyport('down lab');
      expect(await world.everything()).toBe(before);
    }, 120_000);

    test('is taken away by leave as well, whatever of it is left', async () => {
      const before = await world.everything();
      await up();
      process.kill(await world.supervisor(), 'SIGKILL');
      await world.laptop.run(`ip link delete ${DEVICE}`);
      expect(await world.sallyport('leave lab --local')).toMatchObject({ ok: true });
      expect(await world.everything()).toBe(before);
    }, 60_000);

    test('is taken away by down --all when its profile is gone', async () => {
      const before = await world.everything();
      await up();
      process.kill(await world.supervisor(), 'SIGKILL');
      await world.laptop.run(`ip link delete ${DEVICE}`);
      world.profiles.remove('lab');
      expect(await world.sallyport('down --all')).toMatchObject({ ok: true });
      expect(await world.everything()).toBe(before);
    }, 60_000);

    test('lets nothing out when somebody ends its supervisor, nor when the next up fails; but down does', async () => {
      const before = await world.everything();
      await up();
      const supervisor = await world.supervisor();
      process.kill(supervisor, 'SIGTERM');
      await vi.waitFor(() => expect(() => process.kill(supervisor, 0)).toThrow(), SOON);
      for (const question of FAR) await ask(question);
      await world.laptop.run('ip route replace default via 10.96.0.1 dev eth0 onlink');
      expect(await world.sallyport('up lab --full')).toMatchObject({ ok: false });
      await world.laptop.run(`ip route replace default via ${LAN_DNS}`);
      expect(await ask('tcp 8.8.8.8 8080')).toMatch(NO_WAY);
      expect(await world.straysSeen()).toBe(0);
      expect(await world.sallyport('down lab')).toMatchObject({ ok: true });
      expect(await world.everything()).toBe(before);
    }, 60_000);

    test('finds another endpoint, by a name that only the LAN knows', async () => {
      world.join('lab', { endpoints: ['45.0.0.9:51840', `${ENDPOINT}:51840`] as Endpoint[] });
      await up();
      // Nobody listens where it dials now; where the name leads, the node does.
      await world.laptop.run(`wg set ${DEVICE} peer ${world.gateway.keys.publicKey} endpoint 45.0.0.9:51840`);
      await vi.waitFor(
        async () => expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: NODE.four }),
        SOON,
      );
      expect([await world.straysSeen(), await leaked()]).toEqual([0, []]);
    }, 60_000);

    test('lets no container ask beside it either, but one of the machine itself', async () => {
      const container = await Namespace.create();
      await world.laptop.link('docker0', ['172.17.0.1/24'], container, 'eth0', ['172.17.0.2/24']);
      await world.laptop.run('sysctl -qw net.ipv4.ip_forward=1');
      await container.run('ip route add default via 172.17.0.1');
      const server = await startProgram(container.commands, 'backend.ts 8080 7007 53');
      await up();
      expect((await container.ask(`udp ${LAN_DNS} 53`)).answer).toMatch(/^E(CONNREFUSED|HOSTUNREACH)$/);
      expect(await leaked()).toEqual([]);
      expect(await ask('udp 172.17.0.2 53')).toMatchObject({ from: '172.17.0.1' });
      await server.stop();
      await world.laptop.runAll(`
        ip link delete docker0
        sysctl -qw net.ipv4.ip_forward=0
      `);
      await container.dispose();
    });

    test('goes nowhere in the family that the gateway does not carry', async () => {
      world.join('lab', { internet: EVERYTHING.slice(0, 1) });
      await up();
      expect(await ask('get http://8.8.8.8:8080/')).toMatchObject({ from: NODE.four });
      expect(await ask('tcp 2606:4700::1 8080')).toMatch(NO_WAY);
    });

    test('is refused in a sentence where the gateway does not offer it', async () => {
      world.join('lab', { internet: [] });
      const before = await world.everything();
      const { ok, text } = await world.sallyport('up lab --full');
      expect(ok).toBe(false);
      expect(text).toMatch(/^sallyport: gateway default takes no full tunnel; leave out --full, or have/);
      expect(await world.everything()).toBe(before);
    });
  });
});

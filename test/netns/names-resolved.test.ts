import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { because } from '../support/because.ts';
import { missingDaemon } from './debian-package.ts';
import { missing } from './machine.ts';
import { ANSWERS, API, CLUSTER, DEVICE, type NAMES, NamesLaptop, OFFICE, type Supervisor } from './names-laptop.ts';
import { RESOLVED, Resolved } from './resolved.ts';

const WWW = 'www.office.example';
const lacking = missing ?? (await missingDaemon(RESOLVED, ['systemd-resolved']));

describe.skipIf(lacking)(`names of a laptop with systemd-resolved${because(lacking)}`, () => {
  let laptop: NamesLaptop;
  let resolved: Resolved;
  const open: Supervisor[] = [];

  beforeAll(async () => {
    laptop = await NamesLaptop.create();
    resolved = await Resolved.start(laptop);
    await laptop.namespace.run(`resolvectl dns eth0 ${OFFICE}`);
    await laptop.namespace.run('resolvectl domain eth0 office.example');
    // Waiting for neighbours that might know a name takes seconds.
    await laptop.namespace.run('resolvectl llmnr eth0 no');
  });
  afterAll(async () => {
    await resolved?.stop();
    await laptop?.dispose();
  });

  beforeEach(async () => {
    await laptop.namespace.run('resolvectl flush-caches');
    await laptop.asked();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.kill();
    await laptop.repair();
  });

  async function supervisor(changed: Partial<typeof NAMES> = {}): Promise<Supervisor> {
    const started = await laptop.open(changed);
    open.push(started);
    return started;
  }

  test('go into the cluster, all others to the office; afterwards the link has none', async () => {
    const before = await resolved.link(DEVICE);
    const { backend, address, close } = await supervisor();
    expect([backend, address]).toEqual(['systemd-resolved', undefined]);
    expect(await laptop.lookUp(API)).toBe(ANSWERS[CLUSTER]);
    expect(await laptop.lookUp(WWW)).toBe(ANSWERS[OFFICE]);
    expect(await laptop.lookUp('big.team-a.svc.cluster.local')).toBe(ANSWERS[CLUSTER]);
    await laptop.namespace.tries('getent hosts 10.96.0.7');
    await laptop.namespace.tries('getent hosts 198.51.100.9');
    const asked = await laptop.asked();
    expect(asked[OFFICE]).toEqual([WWW, '9.100.51.198.in-addr.arpa']);
    expect(asked[CLUSTER]).toEqual([API, 'big.team-a.svc.cluster.local', '7.0.96.10.in-addr.arpa']);
    await close();
    expect(await resolved.link(DEVICE)).toBe(before);
  });

  test('a name that the office does not know is not asked in the cluster', async () => {
    await supervisor();
    expect([await laptop.lookUp('nosuch.example.com'), await laptop.lookUp('nosuch')]).toEqual(['', '']);
    expect((await laptop.asked())[CLUSTER]).toEqual([]);
  });

  test('are taken out by a repair after kill -9', async () => {
    const before = await resolved.link(DEVICE);
    const { kill } = await supervisor();
    await kill();
    expect(await laptop.repair()).toHaveLength(1);
    expect(await resolved.link(DEVICE)).toBe(before);
    expect(await laptop.repair()).toEqual([]);
  });

  test('are still there after a restart of systemd-resolved', async () => {
    const { close } = await supervisor();
    await resolved.restart();
    expect(await laptop.lookUp(API)).toBe(ANSWERS[CLUSTER]);
    await close();
  });

  test('a repair finds nothing to undo on a link that is gone', async () => {
    await laptop.namespace.run('ip link add sp-gone type veth peer name sp-gone2');
    const { kill } = await supervisor();
    await kill();
    await laptop.namespace.commands.run([
      'sed',
      '-i',
      `s/"device":"${DEVICE}"/"device":"sp-gone"/`,
      '/run/sallyport/names/profile-one.json',
    ]);
    await laptop.namespace.run('ip link del sp-gone');
    expect(await laptop.repair()).toHaveLength(1);
    await laptop.namespace.run(`resolvectl revert ${DEVICE}`);
  });

  test('may become others while they are open; in the end nothing is recorded', async () => {
    const { update, close } = await supervisor();
    expect(await laptop.lookUp('a.later.example')).toBe(ANSWERS[OFFICE]);
    await update();
    expect(await laptop.lookUp('b.later.example')).toBe(ANSWERS[CLUSTER]);
    await close();
    expect(await laptop.namespace.run('ls -A /run/sallyport')).toBe('');
  });

  test('all go into the cluster where everything does, those of domains that another link claims as well', async () => {
    // As a full tunnel's firewall does; without it the other link would be asked too.
    await laptop.namespace.runAll(`
      nft add table inet guard
      nft add chain inet guard out { type filter hook output priority 0 ; }
      nft add rule inet guard out oifname eth0 meta l4proto { tcp, udp } th dport 53 reject with icmpx admin-prohibited
    `);
    const { close } = await supervisor({ everything: true });
    const far = 'www.example.com';
    const found = [await laptop.lookUp(API), await laptop.lookUp(WWW), await laptop.lookUp(far)];
    expect(found).toEqual([ANSWERS[CLUSTER], ANSWERS[CLUSTER], ANSWERS[CLUSTER]]);
    expect(await laptop.asked()).toMatchObject({ [OFFICE]: [], [CLUSTER]: [API, WWW, far] });
    await close();
    await laptop.namespace.run('nft delete table inet guard');
    expect(await laptop.lookUp(WWW)).toBe(ANSWERS[OFFICE]);
  });
});

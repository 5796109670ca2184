import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { because } from '../support/because.ts';
import { missing } from './machine.ts';
import {
  ANSWERS,
  API,
  CLUSTER,
  type NAMES,
  NamesLaptop,
  OFFICE,
  SECOND_OFFICE,
  SOON,
  type Supervisor,
} from './names-laptop.ts';

const RESOLV_CONF = '/etc/resolv.conf';
const OFFICE_FILE = `# from the office\nsearch office.example\nnameserver ${OFFICE}\noptions edns0`;
const WWW = 'www.office.example';

describe.skipIf(missing)(`names of a laptop with a plain resolv.conf${because(missing)}`, () => {
  let laptop: NamesLaptop;
  const open: Supervisor[] = [];

  beforeAll(async () => {
    laptop = await NamesLaptop.create();
  });
  afterAll(() => laptop?.dispose());

  beforeEach(async () => {
    await laptop.namespace.run(`rm -f ${RESOLV_CONF}`);
    await laptop.write(RESOLV_CONF, OFFICE_FILE);
    await laptop.asked();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.kill();
    await laptop.repair();
  });

  async function supervisor(changed: Partial<typeof NAMES> = {}, profile?: string): Promise<Supervisor> {
    const started = await laptop.open(changed, profile);
    open.push(started);
    return started;
  }

  test('go into the cluster, all others to the office, and the file is as before afterwards', async () => {
    expect(await laptop.lookUp(API)).toBe(ANSWERS[OFFICE]);
    await laptop.asked();
    const { backend, address, close } = await supervisor();
    expect([backend, address]).toEqual(['resolv.conf', '127.0.53.53']);
    expect(await laptop.lookUp(API)).toBe(ANSWERS[CLUSTER]);
    expect(await laptop.lookUp(WWW)).toBe(ANSWERS[OFFICE]);
    expect(await laptop.lookUp('big.team-a.svc.cluster.local')).toBe(ANSWERS[CLUSTER]);
    await laptop.namespace.tries('getent hosts 10.96.0.7');
    await laptop.namespace.tries('getent hosts 192.168.50.9');
    const asked = await laptop.asked();
    expect(asked[OFFICE]).toEqual([WWW, '9.50.168.192.in-addr.arpa']);
    expect(asked[CLUSTER]).toEqual([API, 'big.team-a.svc.cluster.local', '7.0.96.10.in-addr.arpa']);
    await close();
    expect(await laptop.read(RESOLV_CONF)).toBe(OFFICE_FILE);
  });

  test('may be short: a Service of the own namespace, or with its namespace', async () => {
    await laptop.write(RESOLV_CONF, `nameserver ${OFFICE}\n`);
    await supervisor();
    expect(await laptop.lookUp('api')).toBe(ANSWERS[OFFICE]);
    expect(await laptop.asked()).toMatchObject({ [OFFICE]: ['api'], [CLUSTER]: [] });
    // What the office does not know.
    expect(await laptop.lookUp('nosuch')).toBe('');
    expect((await laptop.asked())[CLUSTER]).toEqual(['nosuch.team-a.svc.cluster.local', 'nosuch.svc.cluster.local']);
  });

  test('a name that the office does not know is never asked in the cluster, whatever the C library appends', async () => {
    await supervisor();
    for (const name of ['nosuch.example', 'nosuch.example.com', 'www.nosuch.example.com'])
      expect([name, await laptop.lookUp(name)]).toEqual([name, '']);
    expect((await laptop.asked())[CLUSTER]).toEqual([]);
    expect(await laptop.lookUp('api.nosuch-namespace')).toBe('');
    expect((await laptop.asked())[CLUSTER]).toEqual(['api.nosuch-namespace.svc.cluster.local']);
  });

  test('stand as before after kill -9 and a repair; until then ordinary names are found', async () => {
    const { kill } = await supervisor();
    await kill();
    expect(await laptop.lookUp(WWW)).toBe(ANSWERS[OFFICE]);
    expect(await laptop.repair()).toHaveLength(1);
    expect(await laptop.read(RESOLV_CONF)).toBe(OFFICE_FILE);
    expect(await laptop.repair()).toEqual([]);
  });

  test('stand as before after kill -9 and the next opening and closing', async () => {
    const { kill } = await supervisor();
    await kill();
    const { close } = await supervisor();
    expect(await laptop.lookUp(API)).toBe(ANSWERS[CLUSTER]);
    await close();
    expect(await laptop.read(RESOLV_CONF)).toBe(OFFICE_FILE);
  });

  test('stand as before after a start of the machine, when /run is empty', async () => {
    const { kill } = await supervisor();
    await kill();
    await laptop.namespace.run('rm -r /run/sallyport');
    expect(await laptop.repair()).toHaveLength(1);
    expect(await laptop.read(RESOLV_CONF)).toBe(OFFICE_FILE);
  });

  test.each([
    [
      'renames another one into its place',
      `printf '%s' "$1" > ${RESOLV_CONF}.new && mv ${RESOLV_CONF}.new ${RESOLV_CONF}`,
    ],
    ['writes into it', `printf '%s' "$1" > ${RESOLV_CONF}`],
  ])('follow whoever rewrites the file, as NetworkManager and DHCP clients do: %s', async (_, script) => {
    const { heard, close } = await supervisor();
    const moved = `# NetworkManager\nnameserver ${SECOND_OFFICE}\n`;
    await laptop.namespace.commands.run(['sh', '-c', script, 'sh', moved]);
    expect(await heard(/"note"/)).toContain(SECOND_OFFICE);
    expect([await laptop.lookUp(API), await laptop.lookUp(WWW)]).toEqual([ANSWERS[CLUSTER], ANSWERS[SECOND_OFFICE]]);
    expect(await laptop.asked()).toMatchObject({ [OFFICE]: [], [SECOND_OFFICE]: [WWW] });
    await close();
    expect(await laptop.read(RESOLV_CONF)).toBe(moved);
  });

  test('follow the file behind a link, which is a link again afterwards', async () => {
    await laptop.namespace.runAll(`
      mkdir -p /run/NetworkManager
      rm ${RESOLV_CONF}
      ln -s ../run/NetworkManager/resolv.conf ${RESOLV_CONF}
    `);
    await laptop.write('/run/NetworkManager/resolv.conf', OFFICE_FILE);
    const { close } = await supervisor();
    expect(await laptop.lookUp(WWW)).toBe(ANSWERS[OFFICE]);
    await laptop.write('/run/NetworkManager/resolv.conf', `nameserver ${SECOND_OFFICE}\n`);
    await expect.poll(() => laptop.lookUp(WWW), SOON).toBe(ANSWERS[SECOND_OFFICE]);
    await close();
    expect((await laptop.namespace.run(`readlink ${RESOLV_CONF}`)).trim()).toBe('../run/NetworkManager/resolv.conf');
  });

  test('stand in a file that is a mount of its own, as containers have it, and is as before afterwards', async () => {
    await laptop.write('/run/resolv.conf', OFFICE_FILE);
    await laptop.namespace.run(`mount --bind /run/resolv.conf ${RESOLV_CONF}`);
    try {
      const { close } = await supervisor();
      expect([await laptop.lookUp(API), await laptop.lookUp(WWW)]).toEqual([ANSWERS[CLUSTER], ANSWERS[OFFICE]]);
      await close();
      expect(await laptop.read(RESOLV_CONF)).toBe(OFFICE_FILE);
      const { kill } = await supervisor();
      await kill();
      await laptop.repair();
      expect(await laptop.read('/run/resolv.conf')).toBe(OFFICE_FILE);
    } finally {
      await laptop.namespace.run(`umount ${RESOLV_CONF}`);
    }
  });

  test('that cannot be written are told with the reason, and nothing is left', async () => {
    await laptop.namespace.run(`mount --bind ${RESOLV_CONF} ${RESOLV_CONF}`);
    await laptop.namespace.run(`mount -o remount,bind,ro ${RESOLV_CONF}`);
    try {
      await expect(laptop.open()).rejects.toThrow(
        /resolv\.conf does not take the names of the cluster: .*read-only file system/,
      );
      expect(await laptop.namespace.tries('ls /run/sallyport/names')).toBe('');
    } finally {
      await laptop.namespace.run(`umount ${RESOLV_CONF}`);
    }
    expect(await laptop.read(RESOLV_CONF)).toBe(OFFICE_FILE);
  });

  test('of two profiles are found beside each other, whoever goes first', async () => {
    const one = await supervisor();
    const two = await supervisor({ zones: ['other.example'], search: [] }, 'two');
    expect([one.address, two.address]).toEqual(['127.0.53.53', '127.0.53.54']);
    await expect.poll(() => laptop.lookUp('a.other.example'), SOON).toBe(ANSWERS[CLUSTER]);
    expect(await laptop.lookUp(API)).toBe(ANSWERS[CLUSTER]);
    await one.close();
    expect(await laptop.lookUp('a.other.example')).toBe(ANSWERS[CLUSTER]);
    await expect.poll(() => laptop.lookUp(API), SOON).toBe(ANSWERS[OFFICE]);
    await two.close();
    expect(await laptop.read(RESOLV_CONF)).toBe(OFFICE_FILE);
  });

  test('may become others while they are open; in the end nothing is recorded', async () => {
    const { update, close } = await supervisor();
    expect(await laptop.lookUp('a.later.example')).toBe(ANSWERS[OFFICE]);
    await update();
    expect(await laptop.lookUp('b.later.example')).toBe(ANSWERS[CLUSTER]);
    await close();
    expect(await laptop.namespace.run('ls -A /run/sallyport')).toBe('');
  });

  test('all go into the cluster where everything does', async () => {
    const { close } = await supervisor({ everything: true });
    expect([await laptop.lookUp(API), await laptop.lookUp(WWW)]).toEqual([ANSWERS[CLUSTER], ANSWERS[CLUSTER]]);
    expect(await laptop.asked()).toMatchObject({ [OFFICE]: [], [CLUSTER]: [API, WWW] });
    await close();
  });
});

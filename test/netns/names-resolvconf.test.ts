import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { resolvconfFolders } from '../lab/openresolv.ts';
import { because } from '../support/because.ts';
import { unpackedPackage } from './debian-package.ts';
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
const WWW = 'www.office.example';
/** Each package as it is unpacked, and what its installation does. */
const PACKAGES = {
  openresolv: {
    folders: resolvconfFolders,
    setUp: '',
  },
  "Debian's resolvconf": {
    folders: async () => [await unpackedPackage('resolvconf')],
    setUp: `
      cp -r /usr/etc/resolvconf /etc
      cp /dev/null /etc/resolvconf/resolv.conf.d/base
      mkdir -p /run/resolvconf/interface
      resolvconf --enable-updates
      ln -s /run/resolvconf/resolv.conf /etc/resolv.conf
    `,
  },
} as const;

async function missingPackage(folders: () => Promise<readonly string[]>, name: string): Promise<string | undefined> {
  try {
    await folders();
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    console.warn(`SKIPPED ${name}: ${why}`);
    return why;
  }
}

const cases = await Promise.all(
  Object.entries(PACKAGES).map(async ([name, each]) => {
    const lacking = missing ?? (await missingPackage(each.folders, name));
    return { ...each, lacking, name };
  }),
);

describe.each(cases)('names of a laptop with $name', ({ folders, setUp, lacking }) => {
  if (lacking !== undefined) {
    test.skip(`cannot be tried${because(lacking)}`, () => undefined);
    return;
  }
  let laptop: NamesLaptop;
  const open: Supervisor[] = [];

  beforeAll(async () => {
    laptop = await NamesLaptop.create();
    const lower = [...(await folders()), '/usr'];
    if (lower.length > 1) await laptop.namespace.run(`mount -t overlay overlay -o lowerdir=${lower.join(':')} /usr`);
    await laptop.namespace.runAll(setUp);
  });
  afterAll(() => laptop?.dispose());

  beforeEach(async () => {
    await office(`search office.example\nnameserver ${OFFICE}\noptions edns0\n`);
    await laptop.asked();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.kill();
    await laptop.repair();
  });

  /** As a DHCP client does it. */
  async function office(text: string): Promise<void> {
    await laptop.namespace.commands.run(['sh', '-c', 'printf %s "$1" | resolvconf -a eth0.dhcp', 'sh', text]);
  }

  async function supervisor(changed: Partial<typeof NAMES> = {}): Promise<Supervisor> {
    const started = await laptop.open(changed);
    open.push(started);
    return started;
  }

  test('go into the cluster, all others to the office, and the file is as before afterwards', async () => {
    const before = await laptop.read(RESOLV_CONF);
    const { backend, address, close } = await supervisor();
    expect([backend, address]).toEqual(['resolvconf', '127.0.53.53']);
    expect([await laptop.lookUp(API), await laptop.lookUp(WWW)]).toEqual([ANSWERS[CLUSTER], ANSWERS[OFFICE]]);
    expect(await laptop.asked()).toMatchObject({ [OFFICE]: [WWW], [CLUSTER]: [API] });
    expect(await laptop.read(RESOLV_CONF)).toMatch(
      /^search office\.example team-a\.svc\.cluster\.local svc\.cluster\.local$/m,
    );
    expect(await laptop.read(RESOLV_CONF)).toMatch(/^options edns0$/m);
    await close();
    expect(await laptop.read(RESOLV_CONF)).toBe(before);
  });

  test('stand as before after kill -9 and a repair', async () => {
    const before = await laptop.read(RESOLV_CONF);
    const { kill } = await supervisor();
    await kill();
    expect(await laptop.repair()).toHaveLength(1);
    expect(await laptop.read(RESOLV_CONF)).toBe(before);
    expect(await laptop.repair()).toEqual([]);
  });

  test('are put back where somebody takes the entry away', async () => {
    await supervisor();
    await laptop.namespace.run('resolvconf -d lo.sallyport');
    await expect.poll(() => laptop.lookUp(API), SOON).toBe(ANSWERS[CLUSTER]);
  });

  test('follow another network', async () => {
    const { close } = await supervisor();
    await office(`nameserver ${SECOND_OFFICE}\n`);
    await expect.poll(() => laptop.lookUp(WWW), SOON).toBe(ANSWERS[SECOND_OFFICE]);
    expect(await laptop.lookUp(API)).toBe(ANSWERS[CLUSTER]);
    await close();
    expect(await laptop.read(RESOLV_CONF)).toMatch(new RegExp(`^((#.*)?\n)*nameserver ${SECOND_OFFICE}\n$`));
  });

  test('all go into the cluster where everything does', async () => {
    const { close } = await supervisor({ everything: true });
    expect(await laptop.lookUp(WWW)).toBe(ANSWERS[CLUSTER]);
    expect((await laptop.asked())[OFFICE]).toEqual([]);
    await close();
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { startComponent } from './component.ts';
import { JoiningLaptop, PublishedProgram } from './joining-laptop.ts';
import type { Laptop } from './laptop.ts';
import { curl, type Mesh, must, startMesh, until } from './mesh.ts';
import { memberLogs } from './sandbox.ts';

const SERVICE = 'http://hello-node-2.demo.svc.cluster.local';
const PUBLIC = 'http://8.8.8.8:8080/';
/** What a node reaches by the same way as the internet, and a device must not. */
const INSIDE = ['http://169.254.169.254:8080/', 'http://10.200.0.1:8080/', 'http://100.100.100.200:8080/'];

let mesh: Mesh;
let program: PublishedProgram;
let internet: Laptop;
let ada: JoiningLaptop;
let untouched: string;

beforeAll(async () => {
  [mesh, program] = await Promise.all([startMesh('full-tunnel'), PublishedProgram.build()]);
  internet = await standInForInternet();
  ada = new JoiningLaptop(await mesh.cluster.addLaptop('ada'), program);
  await ada.laptop.writeFile('/etc/resolv.conf', `nameserver ${internet.address}\n`, 0o644);
  await goesOutBy(internet.address);
  await ada.giveKubeconfig(mesh, 'ada', 'demo');
  untouched = await ada.everything();
});

afterAll(async () => {
  await mesh?.cluster.stop();
  await program?.remove();
});

/** Who asks, as the internet sees it; undefined when nothing came back. */
async function seenAs(url = PUBLIC, seconds = 5): Promise<string | undefined> {
  const { status, body } = await curl(ada.laptop, url, seconds);
  return status === 200 ? JSON.parse(body).from : undefined;
}

const nodes = () => mesh.cluster.nodes.map(({ address }) => address);

describe('a full tunnel', () => {
  test('is refused while the gateway does not offer it', async () => {
    await ada.must('join');
    expect(await seenAs()).toBe(ada.laptop.address);
    const { code, stderr } = await ada.sallyport('up --full');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/sallyport: lab is up without --full/) });
    await ada.must('down');
    expect((await ada.sallyport('up --full')).stderr).toMatch(/takes no full tunnel; .*spec\.advertise\.internet/);
    await ada.must('up');
  });

  test('once offered, changes nothing on a device that does not ask for it', async () => {
    await mesh.patchGateway('default', { advertise: { internet: { enabled: true } } });
    await until(
      'the offer to arrive',
      () => ada.sallyport('config'),
      ({ stdout }) => stdout.includes('# Full tunnel: 0.0.0.0/0'),
      90,
    );
    expect(await seenAs()).toBe(ada.laptop.address);
    await ada.must('down');
  });

  test('sends everything out by a node, and no name anywhere else', async () => {
    await ada.must('up --full');
    const asked = questions().length;
    expect(nodes()).toContain(await seenAs());
    expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
    await ada.laptop.exec(['getent', 'hosts', 'www.example.com']);
    expect(questions().slice(asked)).toEqual([]);
    expect(await ada.must('status')).toContain('and everything else: nothing goes beside it');
  });

  test.each(INSIDE)('does not lead to %s, which the node reaches', async (url) => {
    const [node] = mesh.cluster.nodes;
    expect(
      must((await node?.exec(['curl', '-s', '-m', '5', url])) ?? { code: 1, stdout: '', stderr: 'no node' }),
    ).toContain('from');
    expect(await seenAs(url)).toBeUndefined();
  });

  test('lets nothing out once the gateway takes it no more, and says so', async () => {
    await mesh.patchGateway('default', { advertise: { internet: { enabled: false } } });
    await until(
      'the news',
      () => ada.status(),
      ({ tunnel }) => tunnel?.notices.some(({ text }) => text.includes('full tunnel')) === true,
      90,
    );
    expect(await seenAs(PUBLIC, 2)).toBeUndefined();
    expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
    await mesh.patchGateway('default', { advertise: { internet: { enabled: true } } });
    await until(
      'the internet again',
      () => seenAs(PUBLIC, 2),
      (node) => node !== undefined,
      90,
    );
  });

  test('is gone without a trace after kill -9 and leave', async () => {
    const { tunnel } = await ada.status();
    must(await ada.laptop.exec(['kill', '-9', String(tunnel?.pid)]));
    expect(await seenAs(PUBLIC, 2)).not.toBe(ada.laptop.address);
    await ada.must('leave');
    expect(await ada.everything()).toBe(untouched);
    expect(await seenAs()).toBe(ada.laptop.address);
  });

  test('is one for the stock app as well, by the file of config --full', async () => {
    await ada.must('join --no-up');
    await ada.must('config --full --out /etc/wireguard/full.conf');
    must(await ada.laptop.exec(['wg-quick', 'up', 'full']));
    expect(nodes()).toContain(await seenAs());
    expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
    must(await ada.laptop.exec(['wg-quick', 'down', 'full']));
    expect(await seenAs()).toBe(ada.laptop.address);
  });

  // The last one: the node stays dead.
  test('goes on through another node soon after the one in use has died', async () => {
    await ada.must('join --full');
    const { tunnel } = await ada.status();
    const node = mesh.cluster.nodes.find(({ address }) => tunnel?.gateways[0]?.endpoint?.startsWith(`${address}:`));
    expect(await seenAs()).toBe(node?.address);
    await node?.kill();
    const died = performance.now();
    await until(
      'the internet by another node',
      () => seenAs(PUBLIC, 1),
      (from) => from !== undefined && from !== node?.address,
      20,
    );
    console.log(`the internet is back ${Math.round(performance.now() - died)} ms after the node died`);
  });
});

/** A machine on the underlay at which everything is at home that nodes and laptops send out: HTTP that tells who asks, and DNS. */
async function standInForInternet(): Promise<Laptop> {
  const machine = await mesh.cluster.addLaptop('internet');
  for (const address of ['8.8.8.8', ...INSIDE.map((url) => new URL(url).hostname)])
    must(await machine.exec(['ip', 'address', 'add', `${address}/32`, 'dev', 'lo']));
  const run = (name: string, words: readonly string[]) =>
    startComponent({
      ...{ sandbox: machine.sandbox, name, log: logOf(name, machine) },
      argv: [
        process.execPath,
        ...words.map((word, at) => (at === 0 ? inProject(`test/netns/programs/${word}`) : word)),
      ],
    });
  await run('backend', ['backend.ts', '8080', '7007', '5353']);
  await run('dns', ['stub-dns.ts', `${machine.address}=8.8.8.8`]);
  await until(
    'the internet',
    async () => readFileSync(logOf('dns', machine), 'utf8') + readFileSync(logOf('backend', machine), 'utf8'),
    (text) => text.split('ready').length > 2,
  );
  return machine;
}

/** Nodes and the laptop send out by this address what has no closer way. */
async function goesOutBy(address: string): Promise<void> {
  const words = ['ip', 'route', 'replace', 'default', 'via', address];
  for (const member of [ada.laptop, ...mesh.cluster.nodes]) must(await member.exec(words));
}

/** The names that the LAN's DNS server was asked. */
function questions(): readonly string[] {
  return readFileSync(logOf('dns', internet), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(internet.address));
}

function logOf(name: string, { sandbox }: Laptop): string {
  return join(memberLogs(sandbox.lab, 'internet'), `${name}.log`);
}

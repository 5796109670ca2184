import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { commandsIn } from '../scripts/markdown.ts';
import { withoutNumbers } from '../support/screen.ts';
import { type JoinedStatus, JoiningLaptop, PublishedProgram } from './joining-laptop.ts';
import { curl, type Mesh, must, startMesh, until } from './mesh.ts';

const SERVICE = 'http://hello-node-2.demo.svc.cluster.local';
/** A second cluster begins and ends in it. */
const TWO_CLUSTERS_MS = 300_000;

let mesh: Mesh;
let program: PublishedProgram;

beforeAll(async () => {
  [mesh, program] = await Promise.all([startMesh('join'), PublishedProgram.build()]);
});

afterAll(async () => {
  await mesh?.cluster.stop();
  await program?.remove();
});

/** A laptop of somebody who may make MeshPeers in namespace demo. */
async function aLaptop(user: string): Promise<JoiningLaptop> {
  const joining = new JoiningLaptop(await mesh.cluster.addLaptop(user), program);
  await joining.giveKubeconfig(mesh, user, 'demo');
  return joining;
}

describe('a laptop', () => {
  let ada: JoiningLaptop;
  let untouched: string;

  beforeAll(async () => {
    ada = await aLaptop('ada');
    untouched = await ada.everything();
  });

  test('is let in by one command, and a Service answers by its name, short ones too', async () => {
    await ada.must('join');
    for (const host of ['hello-node-1.demo.svc.cluster.local', 'hello-node-1.demo', 'hello-node-1'])
      expect(await curl(ada.laptop, `http://${host}`)).toMatchObject({ status: 200 });
  });

  test('says how its names are split, and a name that nobody knows stays unknown', async () => {
    expect((await ada.laptop.exec(['getent', 'hosts', 'office.example'])).code).not.toBe(0);
    expect(await ada.must('status')).toContain('forwarder at 127.0.53.53');
  });

  test('joins a second time as the same device', async () => {
    const before = await ada.status();
    await ada.must('join');
    expect(await ada.status()).toMatchObject({
      tunnel: { addresses: before.tunnel?.addresses, pid: before.tunnel?.pid },
    });
    expect(
      (await mesh.cluster.kubectl(['-n', 'demo', 'get', 'meshpeers', '-o', 'name'])).trim().split('\n'),
    ).toHaveLength(1);
  });

  test('goes down and up again without Kubernetes credentials', async () => {
    await ada.laptop.exec(['rm', '/var/home/.kube/config']);
    await ada.must('down');
    expect(await curl(ada.laptop, SERVICE, 2)).toMatchObject({ status: 0 });
    expect((await ada.sallyport('status')).code).toBe(3);
    await ada.must('up');
    expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
    await ada.giveKubeconfig(mesh, 'ada', 'demo');
  });

  test('gets another key while requests run, of which none fails; its address stays', async () => {
    const before = await ada.status();
    const requests = ada.requests(SERVICE);
    await ada.must('rotate');
    const failed = await requests.stop();
    expect(failed).toEqual([]);
    const peer = await mesh.peer({ namespace: 'demo', name: 'root-ada' });
    expect(peer.status?.addresses).toEqual(before.tunnel?.addresses);
    expect(must(await ada.laptop.exec(['wg', 'show', 'sp-lab', 'public-key'])).trim()).toBe(peer.spec.publicKey);
  });

  test('learns what the gateway advertises anew, without being asked and without credentials', async () => {
    await ada.laptop.exec(['rm', '/var/home/.kube/config']);
    await mesh.patchGateway('default', { advertise: { cidrs: ['198.18.7.0/24'] } });
    const learned = await until(
      'news of the range',
      () => ada.status(),
      ({ tunnel }) => tunnel?.notices.at(-1)?.text.includes('198.18.7.0/24') === true,
      90,
    );
    expect(learned.tunnel?.routes).toContain('198.18.7.0/24');
    expect(must(await ada.laptop.exec(['ip', 'route']))).toContain('198.18.7.0/24 dev sp-lab');
    await mesh.patchGateway('default', { advertise: { cidrs: [] } });
    await ada.giveKubeconfig(mesh, 'ada', 'demo');
  });

  test('whose supervisor was killed keeps its Services, and is whole again after up', async () => {
    const { tunnel } = await ada.status();
    must(await ada.laptop.exec(['kill', '-9', String(tunnel?.pid)]));
    expect((await ada.sallyport('status')).code).toBe(3);
    await ada.must('up');
    expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
    await ada.must('down');
    expect(await curl(ada.laptop, SERVICE, 2)).toMatchObject({ status: 0 });
    await ada.must('up');
  });

  test('has its interface again after somebody took it away', async () => {
    must(await ada.laptop.exec(['ip', 'link', 'delete', 'sp-lab']));
    await until(
      'the interface',
      () => curl(ada.laptop, SERVICE, 2),
      ({ status }) => status === 200,
      20,
    );
    expect((await ada.status()).tunnel?.notices.at(-1)?.text).toContain('sp-lab was gone and is back');
  });

  test('is up once, however often at once that is asked for', async () => {
    await ada.must('down');
    const both = await Promise.all([ada.sallyport('up'), ada.sallyport('up')]);
    expect(both.map(({ code }) => code).sort()).toContain(0);
    // The one that came second has said so, and may not have ended yet.
    const supervisors = () => ada.laptop.exec(['pgrep', '-fc', 'cli.mjs supervise']);
    await until('one supervisor', supervisors, ({ stdout }) => stdout.trim() === '1', 10);
    expect(await curl(ada.laptop, SERVICE)).toMatchObject({ status: 200 });
  });

  test('leaves, and nothing of it stays, on the laptop or in the cluster', async () => {
    await ada.must('leave');
    expect(await ada.everything()).toBe(untouched);
    expect((await mesh.cluster.kubectl(['-n', 'demo', 'get', 'meshpeers', '-o', 'name'])).trim()).toBe('');
  });
});

test('a laptop that lost its power while its tunnel was up has its names as they were after up and down', async () => {
  const bob = await aLaptop('bob');
  const before = must(await bob.laptop.exec(['cat', '/etc/resolv.conf']));
  await bob.must('join');
  const kept = await bob.kept();
  await bob.laptop.kill();
  const again = new JoiningLaptop(await mesh.cluster.addLaptop('bob-again'), program);
  await again.restore(kept);
  expect(must(await again.laptop.exec(['cat', '/etc/resolv.conf']))).not.toBe(before);
  await again.must('up');
  expect(await curl(again.laptop, SERVICE)).toMatchObject({ status: 200 });
  await again.must('down');
  expect(must(await again.laptop.exec(['cat', '/etc/resolv.conf']))).toBe(before);
});

test('a machine that is thrown away joins by a token alone, and expires', async () => {
  const job = new JoiningLaptop(await mesh.cluster.addLaptop('job'), program);
  const flags = await job.giveToken(mesh, 'job', 'demo');
  await job.must(`join --ephemeral --expires 1h -n demo --name job-1 ${flags}`);
  expect(await curl(job.laptop, SERVICE)).toMatchObject({ status: 200 });
  const { spec } = await mesh.peer({ namespace: 'demo', name: 'job-1' });
  // The API takes whole seconds.
  expect(Date.parse(spec.expiresAt ?? '') - Date.now()).toBeLessThan(3_601_000);
  await job.must('down');
});

describe('what the cluster refuses is told in one sentence', () => {
  let eve: JoiningLaptop;

  beforeAll(async () => {
    eve = await aLaptop('eve');
  });

  test.each([
    [
      'a namespace without the role',
      'join -n default',
      /you may not create MeshPeers in namespace default; ask its owner/,
    ],
    [
      'a namespace that is not there',
      'join -n nowhere',
      /(no namespace nowhere|may not create MeshPeers in namespace nowhere)/,
    ],
    ['a gateway that is not there', 'join --gateway none', /none/],
    ['a past expiry of another kind', 'join --expires yesterday', /--expires/],
    ['a context that is not there', 'join --context none', /has no context "none"; it has: lab/],
  ])('%s', async (_what, line, sentence) => {
    const { code, stderr, stdout } = await eve.sallyport(line);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(
      stderr
        .trim()
        .split('\n')
        .filter((text) => text.startsWith('sallyport:')),
    ).toHaveLength(1);
    await eve.laptop.exec(['rm', '-rf', '/var/home/.config']);
  });
});

describe.each(['README.md', 'docs/laptop.md'])('%s', (document) => {
  let reader: JoiningLaptop;

  beforeAll(async () => {
    reader = await aLaptop(`reader-${document.length}`);
    await mesh.cluster.tryKubectl([
      '-n',
      'demo',
      'expose',
      'deployment',
      'hello-node-1',
      '--name=hello',
      '--port=80',
      '--target-port=8080',
    ]);
    for (const node of mesh.cluster.nodes) await mesh.untilProxied('hello', node);
  });

  test.each(commandsIn(readFileSync(inProject(document), 'utf8'), 'sh test=join'))('%s', async (line) => {
    must(await reader.shell(line));
  });

  afterAll(async () => {
    await reader.sallyport('leave');
  });
});

test('a person at a terminal sees what docs/laptop.md shows', async () => {
  const pat = await aLaptop('pat');
  await showsAsDocumented(pat, 'sallyport join -n demo');
  const isProven = ({ tunnel }: JoinedStatus) => tunnel?.gateways.every(({ rttMs }) => rttMs !== undefined) === true;
  await until('a round trip', () => pat.status(), isProven);
  await showsAsDocumented(pat, 'sallyport status');
  await showsAsDocumented(pat, 'sallyport down');
  await pat.must('leave');
});

/** Compares the screen with the one in the document, or puts it there where SALLYPORT_UPDATE_SCREENS says so. */
async function showsAsDocumented(joining: JoiningLaptop, line: string): Promise<void> {
  const file = inProject('docs/laptop.md');
  const text = readFileSync(file, 'utf8');
  const block = new RegExp(`(?<=\`\`\`text screen\n\\$ ${line}\n)[^\`]*(?=\n\`\`\`)`);
  const shown = await joining.screen(line);
  if (process.env.SALLYPORT_UPDATE_SCREENS !== undefined)
    writeFileSync(
      file,
      text.replace(block, () => shown),
    );
  const [documented = ''] = block.exec(readFileSync(file, 'utf8')) ?? [];
  expect(withoutNumbers(shown)).toBe(withoutNumbers(documented));
}

test('a second profile that leads to the same ranges is refused while the first one is up, by name and with a remedy', async () => {
  const zoe = await aLaptop('zoe');
  await zoe.must('join --name zoe --profile one');
  const { code, stderr } = await zoe.sallyport('join --name zoe-2 --profile two');
  expect(code).toBe(1);
  expect(stderr).toMatch(/two leads to \S+, and one, which is up, to \S+ .*sallyport down one/);
  await zoe.must('down one');
  await zoe.must('up two');
  expect(await curl(zoe.laptop, SERVICE)).toMatchObject({ status: 200 });
  expect(await zoe.must('list')).toMatch(/one +down .*\n *two +up /);
  await zoe.must('leave one');
  await zoe.must('leave two');
});

test(
  'two clusters at once answer by their own names, and each goes without the other',
  async () => {
    const values = ['pool.cidrs={10.214.0.0/16}', 'gateway.spec.dns.domain=cluster-2.local'];
    const office = await startMesh('join-2', 'userspace', { site: 2, values });
    try {
      const una = await aLaptop('una');
      await office.cluster.plugInGuest(una.laptop);
      const here = SERVICE;
      const there = 'http://hello-node-1.demo.svc.cluster-2.local';
      await una.must('join --profile home');
      await una.giveKubeconfig(office, 'una', 'demo');
      await una.must('join --profile office');
      for (const url of [here, there]) expect(await curl(una.laptop, url)).toMatchObject({ status: 200 });
      expect(await una.must('list')).toMatch(/home +up .*\n *office +up /);
      await una.must('down home');
      expect(await curl(una.laptop, there)).toMatchObject({ status: 200 });
      expect((await curl(una.laptop, here)).status).not.toBe(200);
      await una.must('up home');
      await una.must('leave office');
      expect(await curl(una.laptop, here)).toMatchObject({ status: 200 });
      expect((await curl(una.laptop, there)).status).not.toBe(200);
    } finally {
      await office.cluster.stop();
    }
  },
  TWO_CLUSTERS_MS,
);

// The last one: the node stays dead.
test('new connections go on through another node soon after the one in use has died', async () => {
  const tim = await aLaptop('tim');
  await tim.must('join');
  const { tunnel } = await tim.status();
  const [used, other] = ordered(
    mesh.cluster.nodes,
    ({ address }) => tunnel?.gateways[0]?.endpoint?.startsWith(`${address}:`) === true,
  );
  const url = `http://${await mesh.serviceAddress(`hello-${other.name}`)}`;
  expect(await curl(tim.laptop, url)).toMatchObject({ status: 200 });
  const knocks = tim.requests(url, 1);
  await knocks.next();
  await used.kill();
  const died = performance.now();
  await until(
    'an answer by way of the other node',
    () => knocks.next(),
    ({ status }) => status === 200,
    20,
  );
  console.log(`answers ${Math.round(performance.now() - died)} ms after the node died`);
  await knocks.stop();
  expect((await tim.status()).tunnel?.gateways[0]?.endpoint).toBe(`${other.address}:51840`);
});

/** The first for which it holds, and one for which it does not. */
function ordered<T>(all: readonly T[], holds: (one: T) => boolean): readonly [T, T] {
  const [first, second] = [all.find(holds), all.find((one) => !holds(one))];
  if (first === undefined || second === undefined) throw new Error('there are not two kinds');
  return [first, second];
}

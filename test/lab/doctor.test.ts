import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_VERSION } from '../../src/api/names.ts';
import type { Diagnosis } from '../../src/laptop/doctor/diagnose.ts';
import { JoiningLaptop, PublishedProgram } from './joining-laptop.ts';
import { type Mesh, must, startMesh, until } from './mesh.ts';

let mesh: Mesh;
let program: PublishedProgram;
/** Each with a device and a profile of its own, so that several things can be broken at once: most of the time doctor waits. */
let laptops: Pool<JoiningLaptop>;

const FILES = '/var/home/.config/sallyport/profiles/lab';
const SERVICE = '--service hello-node-1.demo';
const AGAIN = 'sallyport down lab && sallyport up lab';

beforeAll(async () => {
  [mesh, program] = await Promise.all([startMesh('doctor'), PublishedProgram.build()]);
  const joined: JoiningLaptop[] = [];
  for (const name of ['ada', 'bob', 'eve']) {
    const laptop = new JoiningLaptop(await mesh.cluster.addLaptop(name), program);
    await laptop.giveKubeconfig(mesh, name, 'demo');
    await laptop.must('join');
    joined.push(laptop);
  }
  laptops = new Pool(joined);
});

afterAll(async () => {
  await mesh?.cluster.stop();
  await program?.remove();
});

/** Something to do on a laptop, in a shell; or to its MeshPeer. */
type Act = string | ((peer: { readonly namespace: string; readonly name: string }) => Promise<unknown>);

/** Something that is broken on purpose. `undo` puts it right where doctor's own remedy is not a command that does. */
interface Situation {
  readonly what: string;
  readonly hop: string;
  readonly why: RegExp;
  readonly breaks: Act;
  readonly undo?: Act;
  readonly ask?: string;
}

/** Both by a shell. */
interface Shell {
  readonly breaks: string;
  readonly undo: string;
}

/** A firewall on the laptop that drops what the rule matches. */
function dropping(hook: 'input' | 'output', rule: string): Shell {
  const chain = `chain c { type filter hook ${hook} priority 0; ${rule} drop; }`;
  return { breaks: `nft 'table inet broken { ${chain}; }'`, undo: 'nft delete table inet broken' };
}

/** Another endpoint in the profile. */
function dialling(endpoint: string): Shell {
  const file = `${FILES}/sallyport.conf`;
  const edit = `s/^Endpoint = .*/Endpoint = ${endpoint}/; /^# Endpoints: /d`;
  return { breaks: `cp ${file} /var/kept && sed -i '${edit}' ${file}`, undo: `mv /var/kept ${file}` };
}

const AWAY = dialling('203.0.113.1:51840');

const SITUATIONS: readonly Situation[] = [
  {
    what: 'a profile that is garbage',
    hop: 'profile',
    why: /sallyport\.conf/,
    breaks: `cp ${FILES}/sallyport.conf /var/kept && echo garbage > ${FILES}/sallyport.conf`,
    undo: `mv /var/kept ${FILES}/sallyport.conf`,
  },
  {
    what: 'a private key that everybody may read',
    hop: 'key',
    why: /mode 0644/,
    breaks: `chmod 644 ${FILES}/private.key`,
  },
  {
    what: 'a private key that is gone',
    hop: 'key',
    why: /no private key/,
    breaks: `mv ${FILES}/private.key /var/kept`,
    undo: `mv /var/kept ${FILES}/private.key`,
  },
  {
    what: 'a private key that is another one',
    hop: 'key',
    why: /the cluster knows another key/,
    breaks: `cp -p ${FILES}/private.key /var/kept && wg genkey > ${FILES}/private.key`,
    undo: `mv /var/kept ${FILES}/private.key; sleep 1; ${AGAIN}`,
  },
  {
    what: 'a time that is over',
    hop: 'expiry',
    why: /was over/,
    breaks: (peer) => mesh.patchDevice(peer, { expiresAt: '2026-01-01T00:00:00Z' }),
    undo: readmitted({ expiresAt: null }),
  },
  { what: 'a tunnel that is down', hop: 'supervisor', why: /is down/, breaks: 'sallyport down lab' },
  {
    what: 'a supervisor that was killed',
    hop: 'supervisor',
    why: /no supervisor runs/,
    breaks: 'kill -9 $(sallyport status -o json | grep \'"pid"\' | tr -cd 0-9)',
  },
  {
    what: 'an interface that is switched off',
    hop: 'interface',
    why: /switched off/,
    breaks: 'ip link set dev sp-lab down',
  },
  {
    what: 'an interface with another key',
    hop: 'interface',
    why: /another private key/,
    breaks: 'wg genkey > /var/other && wg set sp-lab private-key /var/other',
  },
  {
    what: 'an interface that has forgotten the gateway',
    hop: 'interface',
    why: /does not know gateway default/,
    breaks: 'wg set sp-lab peer $(wg show sp-lab peers) remove',
  },
  {
    what: 'an address that was removed',
    hop: 'addresses',
    why: /lacks the address/,
    breaks: 'ip address flush dev sp-lab scope global',
  },
  {
    what: 'a route that was removed',
    hop: 'routes',
    why: /10\.96\.0\.0\/16/,
    breaks: 'ip route delete 10.96.0.0/16 dev sp-lab',
  },
  {
    what: "another VPN's more specific route",
    hop: 'other routes',
    why: /10\.96\.0\.0\/24 goes to tun9/,
    breaks:
      'ip link add tun9 type veth peer name tun9-peer && ip link set tun9 up && ip route add 10.96.0.0/24 dev tun9',
    undo: 'ip route delete 10.96.0.0/24 dev tun9; ip link delete tun9',
  },
  {
    what: "another VPN's rule",
    hop: 'other routes',
    why: /10\.96\.0\.10 leave by tun9/,
    breaks:
      'ip link add tun9 type veth peer name tun9-peer && ip link set tun9 up && ip route add 10.96.0.10 dev tun9 table 77 && ip rule add to 10.96.0.10 lookup 77',
    undo: 'ip rule delete to 10.96.0.10 lookup 77; ip link delete tun9',
  },
  {
    what: 'an endpoint whose name is not found',
    hop: 'endpoint',
    why: /gateway\.invalid/,
    ...dialling('gateway.invalid:51840'),
  },
  {
    what: 'a MeshPeer that is suspended',
    hop: 'acceptance',
    why: /suspended/,
    breaks: (peer) => mesh.patchDevice(peer, { suspended: true }).then(() => mesh.untilPeer(peer, 'Accepted', 'False')),
    undo: readmitted({ suspended: null }),
  },
  {
    what: 'an endpoint at which nothing listens',
    hop: 'handshake',
    why: /nothing listens on UDP/,
    ...dialling('172.30.0.1:51899'),
  },
  {
    what: 'an endpoint to which there is no way',
    hop: 'handshake',
    why: /no way to 203\.0\.113\.1/,
    breaks: `ip route add unreachable 203.0.113.1 && ${AWAY.breaks}`,
    undo: `ip route delete unreachable 203.0.113.1; ${AWAY.undo}`,
  },
  {
    what: 'a firewall of its own that stops UDP',
    hop: 'handshake',
    why: /own firewall/,
    ...dropping('output', 'udp dport 51840'),
  },
  {
    what: 'a network that drops UDP',
    hop: 'handshake',
    why: /UDP is dropped on the way/,
    ...dropping('input', 'udp sport 51840'),
  },
  {
    what: 'a tunnel through which nothing comes back',
    hop: 'mesh address',
    why: /10\.213\.0\.1/,
    ...dropping('input', 'iifname "sp-lab"'),
  },
  {
    what: 'a path that swallows large packets',
    hop: 'mtu',
    why: /those of 1320 come back/,
    ...dropping('input', 'iifname "sp-lab" meta length > 1330'),
  },
  {
    what: "the cluster's DNS, which does not answer",
    hop: 'cluster dns',
    why: /10\.96\.0\.10 does not answer/,
    ...dropping('input', 'iifname "sp-lab" udp sport 53'),
  },
  {
    what: 'names that the machine does not find',
    hop: 'names',
    why: /does not find kubernetes\.default/,
    ...dropping('input', 'ip daddr 127.0.53.53'),
  },
  {
    what: 'Services that do not answer',
    hop: 'services',
    why: /does not answer/,
    ...dropping('input', 'iifname "sp-lab" tcp sport 443'),
  },
  {
    what: 'a Service that is not there',
    hop: 'service',
    why: /no Service nobody\.demo/,
    breaks: 'true',
    undo: 'true',
    ask: '--service nobody.demo',
  },
  {
    what: 'a Service without an endpoint',
    hop: 'service',
    why: /no ready endpoint/,
    breaks: () => mesh.apply(EMPTY),
    undo: 'true',
    ask: '--service empty.demo',
  },
  {
    what: 'a port that the Service does not have',
    hop: 'service',
    why: /no such port/,
    breaks: 'true',
    undo: 'true',
    ask: '--service hello-node-1.demo:81',
  },
  {
    what: 'a MeshPeer that was deleted',
    hop: 'acceptance',
    why: /no MeshPeer demo\/root-(ada|bob|eve)/,
    breaks: (peer) => mesh.deleteDevice(peer),
  },
];

const EMPTY = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'empty', namespace: 'demo' },
  spec: { selector: { app: 'nobody' }, ports: [{ port: 80 }] },
};

const GRANT = {
  apiVersion: API_VERSION,
  kind: 'MeshAccess',
  metadata: { name: 'everybody', namespace: 'demo' },
  spec: { from: [{ selector: {} }], to: [{ names: ['hello-node-1'] }] },
};

describe('doctor', { concurrent: true }, () => {
  test('finds nothing wrong with a laptop of which everything works, with a kubeconfig and without', () =>
    laptops.lend(async (laptop) => {
      const withIt = await examined(laptop, SERVICE);
      expect(withIt.verdict).toBeUndefined();
      expect(statusOf(withIt, 'acceptance')).toBe('ok');
      must(await laptop.shell('mv ~/.kube/config /var/config'));
      const without = await laptop.sallyport(`doctor ${SERVICE}`);
      must(await laptop.shell('mv /var/config ~/.kube/config'));
      expect(without).toMatchObject({ code: 0, stdout: expect.stringContaining('All that was looked at works') });
      console.log(without.stdout);
    }));

  test.each(SITUATIONS)('names $hop for $what, and what mends it', ({ hop, why, breaks, undo, ask = '' }) =>
    laptops.lend(async (laptop) => {
      const began = performance.now();
      const { verdict } = await broken(laptop, breaks, ask);
      console.log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${verdict?.hop}: ${verdict?.why}`);
      await done(laptop, undo ?? verdict?.mend ?? 'false');
      expect(verdict).toMatchObject({ hop, status: 'broken', why: expect.stringMatching(why) });
      await until(
        'a doctor who finds nothing any more',
        () => examined(laptop, ''),
        (again) => again.verdict === undefined,
        20,
      );
    }),
  );
});

describe('doctor, where the gateways deny by default,', () => {
  test('names whom to ask for a grant, without any right to read grants, and nothing once it is there', () =>
    laptops.lend(async (laptop) => {
      await mesh.patchGateway('default', { access: { default: 'Deny' } });
      await until(
        'a laptop that has heard of it',
        async () => {
          must(await laptop.shell(AGAIN));
          return (await laptop.sallyport('config')).stdout;
        },
        (text) => text.includes('# Denies by default'),
      );
      // Nodes refuse a moment after that.
      const { verdict } = await until(
        'a doctor who finds something',
        () => examined(laptop, SERVICE),
        (diagnosis) => diagnosis.verdict !== undefined,
      );
      expect(verdict).toMatchObject({
        hop: 'service',
        why: expect.stringContaining('The gateways deny by default'),
        mend: expect.stringMatching(/^ask the owner of namespace demo for a MeshAccess/),
      });
      await mesh.apply(GRANT);
      await until(
        'a doctor who finds nothing any more',
        () => examined(laptop, SERVICE),
        (again) => again.verdict === undefined,
      );
    }));
});

async function examined(laptop: JoiningLaptop, words: string): Promise<Diagnosis> {
  const { code, stdout, stderr } = await laptop.sallyport(`doctor -o json ${words}`);
  expect(stderr).toBe('');
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  expect(code).toBe(diagnosis.verdict === undefined ? 0 : 3);
  return diagnosis;
}

/** A peer that is gone comes back with the next check of the path to its gateway: where that is before doctor looks, it goes again. */
async function broken(laptop: JoiningLaptop, breaks: Act, words: string, attempts = 3): Promise<Diagnosis> {
  await done(laptop, breaks);
  const diagnosis = await examined(laptop, words);
  return diagnosis.verdict === undefined && attempts > 1 ? broken(laptop, breaks, words, attempts - 1) : diagnosis;
}

async function done(laptop: JoiningLaptop, act: Act): Promise<void> {
  // Whoever is root already needs no sudo, and some machines have none.
  if (typeof act === 'string') must(await laptop.shell(`sudo() { "$@"; }; ${act}`));
  else await act({ namespace: 'demo', name: `root-${laptop.laptop.name}` });
}

/** Puts fields of the MeshPeer back, and waits until the nodes know it again. */
function readmitted(spec: object): Act {
  return async (peer) => {
    await mesh.patchDevice(peer, spec);
    await mesh.untilPeer(peer, 'Programmed');
  };
}

function statusOf({ hops }: Diagnosis, name: string): string | undefined {
  return hops.find(({ hop }) => hop === name)?.status;
}

/** A few of something that one user at a time may have. */
class Pool<T> {
  readonly #free: T[];
  readonly #waiting: ((one: T) => void)[] = [];

  constructor(all: readonly T[]) {
    this.#free = [...all];
  }

  /** Lends one that nobody has, once there is one, for as long as the work lasts. */
  async lend<R>(work: (one: T) => Promise<R>): Promise<R> {
    const one = this.#free.pop() ?? (await new Promise<T>((resolve) => this.#waiting.push(resolve)));
    try {
      return await work(one);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(one);
      else next(one);
    }
  }
}

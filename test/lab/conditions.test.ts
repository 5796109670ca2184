import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { findCondition } from '../../src/api/conditions.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { loosenRules, restoreRules } from './adversity.ts';
import { curl, type Device, type Mesh, must, RELEASE, until } from './mesh.ts';
import { type LetIn, Rivals } from './rivals.ts';
import { messageOf, TwoDevices } from './two-devices.ts';

const NOWHERE = { nodeSelector: { 'example.com/no': 'such' }, listenPort: 51850 };

/** What is made in one second is of one age. */
const SECOND_MS = 1_000;

let devices: TwoDevices;
let mesh: Mesh;
const measured: string[] = [];

beforeAll(async () => {
  devices = await TwoDevices.start('conditions');
  mesh = devices.mesh;
  await mesh.cluster.kubectl(['create', 'namespace', 'outside']);
});

afterAll(async () => {
  await devices?.stop();
  console.log(measured.join('\n'));
});

describe('a MeshPeer that cannot be let in says why and what to do, and disturbs nobody', () => {
  const steadyAddress = () => devices.addressOf(devices.steady);

  test.each<[string, () => Promise<object>, RegExp, string?]>([
    [
      'DuplicateKey',
      async () => ({ publicKey: devices.steady.keys.publicKey }),
      /belongs to MeshPeer demo\/ada;.*sallyport key/,
    ],
    ['AddressTaken', async () => ({ addresses: [await steadyAddress()] }), /MeshPeer demo\/ada has; wish for another/],
    [
      'AddressOutsidePool',
      async () => ({ addresses: ['10.9.9.9'] }),
      /outside .*10\.213\.0\.0\/16.*leave spec\.addresses out/,
    ],
    ['GatewayNotFound', async () => ({ gateways: ['office'] }), /office, which does not exist; .*default/],
    ['Expired', async () => ({ expiresAt: '2020-01-01T00:00:00Z' }), /has passed; set a later time, or delete/],
    ['Suspended', async () => ({ suspended: true }), /set it to false/],
    ['NamespaceNotAdmitted', async () => ({}), /namespace outside; .*spec\.allowedPeers\.namespaces/, 'outside'],
  ])('%s', async (reason, spec, sentence, namespace = 'demo') => {
    if (namespace === 'outside') await admitOnly('demo');
    await devices.undisturbed(async () => {
      const device = await mesh.addDevice(reason.toLowerCase(), await spec(), namespace);
      const { status } = await mesh.untilPeer(device, 'Accepted', 'False', reason);
      expect(findCondition(status?.conditions ?? [], 'Accepted')?.message).toMatch(sentence);
      expect(status?.config).toBeUndefined();
      await devices.expectEvent(device.name, reason, sentence);
    });
  });

  test('beyond the ResourceQuota of its namespace it is not even made', async () => {
    const { cluster } = mesh;
    const quota = (...words: readonly string[]) => cluster.kubectl(['-n', 'outside', ...words]);
    // The controller looks every half minute which kinds there are, and does not count those that it learns of in quotas from before.
    await until(
      'a quota that is counted',
      async () => {
        await quota('delete', 'quota', 'devices', '--ignore-not-found');
        await quota('create', 'quota', 'devices', '--hard=count/meshpeers.sallyport.dev=0');
        return until(
          'the quota to be counted',
          () => quota('get', 'quota', 'devices', '-o', 'jsonpath={.status.used}'),
          (used) => used.includes('count/meshpeers'),
          5,
        );
      },
      Boolean,
      100,
    );
    await expect(mesh.addDevice('one-too-many', {}, 'outside')).rejects.toThrow(/exceeded quota: devices/);
    await quota('delete', 'quota', 'devices');
  });

  test('a key that is not the device’s is programmed, and shows as never connected', async () => {
    const wrong = await mesh.addDevice('wrong-key');
    await mesh.join(devices.laptop, { ...wrong, keys: keyPairFrom(randomBytes(32)) });
    expect((await curl(devices.laptop, 'http://hello-node-1.demo', 2)).status).toBe(0);
    await mesh.leave(devices.laptop);
    const { status } = await mesh.untilPeer(wrong, 'Connected', 'False', 'NeverConnected');
    const { message } = findCondition(status?.conditions ?? [], 'Connected') ?? {};
    expect(message).toMatch(/private key must belong to spec\.publicKey/);
  });
});

test('of devices that come with one key, or wish for one address, at one moment the same one is let in, whoever decides and whatever the others do', async () => {
  const claims = {
    key: { publicKey: keyPairFrom(randomBytes(32)).publicKey },
    wish: { addresses: ['10.213.200.200'] },
  };
  const groups = await Promise.all(Object.entries(claims).map(([name, claim]) => Rivals.come(mesh, name, claim)));
  const first = await Promise.all(groups.map((rivals) => rivals.letIn()));
  const operators = ['-l', 'app.kubernetes.io/component=operator', '--grace-period=0', '--force', '--wait=false'];
  await mesh.cluster.kubectl([...['-n', RELEASE.namespace], 'delete', 'pod', ...operators]);
  const each = (act: (rivals: Rivals, winner: LetIn) => Promise<void>) =>
    Promise.all(groups.map((rivals, index) => act(rivals, onlyOne(first[index]))));

  await each(async (rivals, winner) => {
    await rivals.untilOnNode(winner);
    await rivals.othersComeAgain(winner);
    expect(await rivals.letIn()).toEqual([winner]);
    await rivals.untilOnNode(winner);
  });

  await delay(SECOND_MS);
  await each(async (rivals, winner) => {
    await rivals.comeAgain(winner.name);
    const next = await rivals.letInOtherThan(winner);
    await rivals.untilOnNode(onlyOne(next));
  });
});

/** The only one. */
function onlyOne<T>(found: readonly T[] | undefined): T {
  expect(found).toHaveLength(1);
  return found?.[0] as T;
}

test('MeshPeers from before the rules: each is told what is wrong, and nobody else notices', async () => {
  await devices.undisturbed(async () => {
    await loosenRules(mesh.cluster);
    const shape = { persistentKeepalive: 'often', addresses: 5 };
    const unreadable = await until('loose rules', () => mesh.addDevice('unreadable', shape), Boolean);
    const malformed = await mesh.addDevice('malformed-key', { publicKey: 'nonsense' });
    const scrambled = await mesh.addDevice('scrambled');
    await mesh.untilPeer(scrambled, 'Programmed');
    const address = await devices.addressOf(scrambled);
    await devices.patchStatus(scrambled, { conditions: 'fine', connections: 7 });
    await restoreRules(mesh.cluster);
    const sentence = /^This MeshPeer cannot be read.*spec\.(addresses|persistentKeepalive): /;
    await until(
      'the sentence',
      () => devices.storedMessages(unreadable),
      (messages) => sentence.test(messages),
    );
    await devices.expectEvent(unreadable.name, 'InvalidSpec', sentence);
    await mesh.untilPeer(malformed, 'Accepted', 'False', 'InvalidKey');
    await mesh.untilPeer(scrambled, 'Programmed');
    expect(await devices.addressOf(scrambled)).toBe(address);
    await mesh.untilPeer(await mesh.addDevice('after-them'), 'Programmed');
  });
});

describe('a MeshGateway', () => {
  const remove = (name: string) => mesh.cluster.kubectl(['delete', 'meshgateway', name]);

  test('on nodes that another one serves is refused, and takes nothing from it', async () => {
    await devices.undisturbed(async () => {
      await mesh.addGateway('second', { listenPort: 51850 });
      const sentence = /default already serves nodes node-1, node-2.*spec\.nodeSelector/;
      await devices.expectRefusal('second', 'NodesTaken', sentence);
      await remove('second');
    });
  });

  test('whose supplied Secret is malformed is refused until it is mended, and then has that key', async () => {
    const keys = keyPairFrom(randomBytes(32));
    await devices.applySecret('sallyport-vault', 'nonsense');
    await mesh.addGateway('vault', NOWHERE);
    const sentence = /sallyport-vault, entry privateKey: .*wg genkey.*or delete the Secret/;
    await devices.expectRefusal('vault', 'InvalidKey', sentence);
    await devices.applySecret('sallyport-vault', keys.privateKey);
    const { status } = await mesh.untilGateway('vault', 'Accepted');
    expect(status?.publicKey).toBe(keys.publicKey);
    const path = 'jsonpath={.data.privateKey}';
    const entry = ['-n', RELEASE.namespace, 'get', 'secret', 'sallyport-vault', '-o', path];
    expect(Buffer.from(await mesh.cluster.kubectl(entry), 'base64').toString()).toBe(keys.privateKey);
    await mesh.untilGateway('vault', 'Programmed', 'False', 'NoNodes');
    await remove('vault');
  });

  test('that advertises the mesh itself is refused', async () => {
    await mesh.addGateway('loop', { ...NOWHERE, advertise: { cidrs: ['10.213.128.0/17'] } });
    await devices.expectRefusal('loop', 'AdvertiseOverlap', /10\.213\.128\.0\/17, which overlaps the mesh pool/);
    await remove('loop');
  });

  test('with a load balancer has no endpoint until that has an address, and then devices dial it', async () => {
    await devices.undisturbed(async () => {
      await mesh.patchGateway('default', { endpoint: { service: { type: 'LoadBalancer' } } });
      const waiting = await mesh.untilGateway('default', 'Ready', 'False', 'NoEndpoint');
      expect(messageOf(waiting, 'Ready')).toMatch(/Service sallyport-default has no address.*spec\.endpoint\.hosts/);
      const ingress = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: '198.51.100.7' }] } } });
      const place = ['-n', RELEASE.namespace, 'patch', 'service', 'sallyport-default', '--subresource=status'];
      await mesh.cluster.kubectl([...place, '--type=merge', '-p', ingress]);
      const ready = await mesh.untilGateway('default', 'Ready');
      expect(ready.status?.endpoints).toMatchObject([
        { endpoint: '198.51.100.7:51840', source: 'Service', agent: 'Serving' },
      ]);
      await devices.untilConfig(/^Endpoint = 198\.51\.100\.7:51840$/m);
      await mesh.patchGateway('default', { endpoint: { service: null } });
      await devices.untilConfig(/^Endpoint = 172\.30\.0\.11:51840$/m);
    });
  });
});

describe('what is advertised is followed', () => {
  test('a pod range, for as long as it is advertised', async () => {
    const path = 'jsonpath={.items[0].status.podIP}';
    const pod = await mesh.cluster.kubectl(['-n', 'demo', 'get', 'pods', '-l', 'app=hello-node-1', '-o', path]);
    const ask = () => curl(devices.laptop, `http://${pod.trim()}:8080`, 2);
    await mesh.patchGateway('default', { advertise: { cidrs: ['10.244.0.0/16'] } });
    await devices.untilConfig(/10\.244\.0\.0\/16/);
    await mesh.join(devices.laptop, devices.other);
    const { body } = await until('the pod', ask, ({ status }) => status === 200);
    expect(JSON.parse(body)).toMatchObject({ node: 'node-1' });
    await mesh.patchGateway('default', { advertise: { cidrs: [] } });
    await until('the refusal', ask, ({ status, seconds }) => status === 0 && seconds < 1);
    await mesh.leave(devices.laptop);
  });

  test('a second service CIDR, until it is deleted', async () => {
    const cidr = { metadata: { name: 'extra' }, spec: { cidrs: ['10.112.0.0/24'] } };
    await devices.undisturbed(async () => {
      await mesh.apply({ apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', ...cidr });
      await devices.untilConfig(/10\.112\.0\.0\/24/);
      const { status } = await mesh.gateway();
      expect(status?.serviceCIDRs).toContainEqual({ cidr: '10.112.0.0/24', source: 'ServiceCIDR extra' });
      await until('a Service with an address of it', () => mesh.apply(EXTRA_SERVICE), Boolean);
      await mesh.join(devices.laptop, devices.other);
      await until(
        'an answer',
        () => curl(devices.laptop, 'http://10.112.0.80'),
        (answer) => answer.status === 200,
      );
      await mesh.leave(devices.laptop);
      await mesh.cluster.kubectl(['-n', 'demo', 'delete', 'service', 'extra']);
      await mesh.cluster.kubectl(['delete', 'servicecidr', 'extra', '--timeout=60s']);
      await devices.untilConfig(/AllowedIPs = 10\.96\.0\.0\/16, 10\.213\.0\.1\/32$/m);
      for (const node of mesh.cluster.nodes) {
        const table = () => node.exec(['nft', 'list', 'table', 'inet', 'sallyport_default']);
        await until(`${node.name} to forget it`, table, (nft) => nft.code === 0 && !nft.stdout.includes('10.112.'));
      }
    });
  });
});

describe('ServicesReachable tells the truth', () => {
  test('about cluster DNS', async () => {
    // One sentence for both, or one for each where they were refused in different ways.
    const nobody = /^On nodes? node-1\b.*\bnode-2: DNS server 10\.96\.0\.10 .*Are the DNS pods Ready \(kubectl/;
    await devices.undisturbed(async () => {
      await timed('cluster DNS scaled to zero → False', async () => {
        await mesh.cluster.kubectl(['-n', 'kube-system', 'scale', 'deployment/coredns', '--replicas=0']);
        await until(
          'both nodes',
          () => mesh.gateway(),
          (found) => nobody.test(messageOf(found, 'ServicesReachable')),
        );
      });
      await mesh.untilGateway('default', 'Ready', 'False', 'ServicesUnreachable');
      await timed('scaled back → True', async () => {
        await mesh.scale('coredns', 2, 'kube-system');
        await mesh.untilGateway('default', 'ServicesReachable');
      });
      await mesh.untilGateway('default', 'Ready');
    });
  });

  test('about one node’s way to Services, while the other goes on', async () => {
    const node = mesh.cluster.node('node-2');
    await devices.undisturbed(async () => {
      const told = await timed('TCP to the kubernetes Service broken on node-2 → False', async () => {
        must(await node.exec(['nft', '-f', '-'], { input: BREAK_TCP }));
        return mesh.untilGateway('default', 'ServicesReachable', 'False');
      });
      const message = messageOf(told, 'ServicesReachable');
      expect(message).toMatch(/^On node node-2: No answer to a TCP connection to 10\.96\.0\.1:443 /);
      expect(message).not.toContain('node-1');
      expect(messageOf(await mesh.gateway(), 'Ready')).toMatch(/^1 of 2 nodes .* Not through node-2/);
      await timed('mended → True', async () => {
        must(await node.exec(['nft', 'delete', 'table', 'inet', 'lab_break']));
        await mesh.untilGateway('default', 'ServicesReachable');
      });
    });
  });
});

test('a pool that overlaps the cluster is refused by name, and what is served goes on; so it is with one device too many of an owner', async () => {
  const release = [RELEASE.name, inProject('charts/sallyport'), '-n', RELEASE.namespace, '--reuse-values'];
  const upgrade = (...values: readonly string[]) =>
    mesh.cluster.helm(['upgrade', ...release, ...values.flatMap((value) => ['--set', value])]);
  await mesh.patchDevice(devices.steady, { owner: 'ada' });
  await mesh.patchDevice(devices.other, { owner: 'eve' });
  await devices.undisturbed(async () => {
    await upgrade('pool.cidrs={10.244.0.0/16}');
    const sentence = /overlaps the pod CIDR 10\.244\.1\.0\/24 of node node-1; .*pool\.cidrs/;
    await devices.expectRefusal('default', 'PoolOverlap', sentence);
    await upgrade('pool.cidrs={10.213.0.0/16}', 'quotas.peersPerOwner=1');
    await mesh.untilGateway('default', 'Ready');
    await mesh.untilPeer(devices.steady, 'Programmed');
    await expectTooMany('ada', /^spec\.owner ada has 1 older MeshPeers \(demo\/ada\), and one owner may have 1;/);
    await expectTooMany(undefined, /^spec\.owner is missing, .*quotas\.peersPerOwner/);
    const next = await expectTooMany('eve', /\(demo\/eve\)/);
    await mesh.deleteDevice(devices.other);
    await mesh.untilPeer(next, 'Programmed');
  });
});

async function expectTooMany(owner: string | undefined, sentence: RegExp): Promise<Device> {
  const device = await mesh.addDevice(`second-of-${owner ?? 'nobody'}`, owner === undefined ? {} : { owner });
  const { status } = await mesh.untilPeer(device, 'Accepted', 'False', 'OwnerQuota');
  expect(findCondition(status?.conditions ?? [], 'Accepted')?.message).toMatch(sentence);
  await devices.expectEvent(device.name, 'OwnerQuota', sentence);
  return device;
}

const EXTRA_SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'extra', namespace: 'demo' },
  spec: { clusterIP: '10.112.0.80', selector: { app: 'hello-node-2' }, ports: [{ port: 80, targetPort: 8080 }] },
};

/** Only what the mesh forwards, so that the node's own programs go on. */
const BREAK_TCP = `table inet lab_break {
  chain forward {
    type filter hook forward priority -300; policy accept;
    iifname "wg-default" tcp dport 6443 drop
  }
}
`;

async function admitOnly(namespace: string): Promise<void> {
  const selector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
  await mesh.patchGateway('default', { allowedPeers: { namespaces: { from: 'Selector', selector } } });
}

async function timed<T>(what: string, act: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await act();
  measured.push(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return result;
}

test('every node says that it has room for connections', async () => {
  const told = await mesh.untilGateway('default', 'ConnectionTracking', 'True', 'Enough');
  expect(messageOf(told, 'ConnectionTracking')).toBe('There is room for connections on 2 of 2 live nodes.');
});

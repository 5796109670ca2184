import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { failureOf } from '../../src/agent/failure.ts';
import { findCondition } from '../../src/api/conditions.ts';
import { type Commands, createCommands } from '../../src/host/exec.ts';
import { WireGuard } from '../../src/host/wireguard.ts';
import { planNode } from '../../src/mesh/node.ts';
import { judgeNode, type NodeFailure } from '../../src/mesh/node-status.ts';
import { topology } from '../../src/mesh/topology.ts';
import { because } from '../support/because.ts';
import { aServedGateway, NOW, POOL, POOL6 } from '../support/builders.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import { startProgram, TestNode } from './mesh.ts';
import { Namespace } from './namespace.ts';
import { wireguardGo } from './support-usermode.ts';

/** Only a kernel that was booted without it has none. */
const hasIpv6 = existsSync('/proc/sys/net/ipv6');

describe.skipIf(missing)('a node with a fault', () => {
  let node: TestNode;
  beforeEach(async () => {
    node = await TestNode.create();
  });
  afterEach(() => node.dispose());

  const gateway = () =>
    aServedGateway({
      status: { publicKey: node.keys.publicKey, pool: [POOL, POOL6], addresses: ['10.213.0.1', 'fd5a:11:22::1'] },
    });

  /** Brings the node to the plan that its own facts lead to, and gives what its agent would say of it. */
  async function serve() {
    const current = topology(gateway());
    if (current === undefined) throw new Error('the gateway is not served');
    const before = await node.host.observe(PLAN_NAMES);
    let failure: NodeFailure | undefined;
    const steps = await node
      .sync(planNode(current, { facts: before.facts, peers: new Map() }))
      .catch((error: unknown) => {
        failure = failureOf(error);
        return undefined;
      });
    const { facts, state } = await node.host.observe(PLAN_NAMES);
    const report = { gateway: gateway(), hasPlan: true, facts, state, failure, peers: 0, connections: [] };
    const { conditions = [] } = judgeNode({ ...report, appliedResourceVersion: '1' }, undefined, NOW);
    const says = (type: string) => {
      const { status, reason, message } = findCondition(conditions, type) ?? {};
      return `${status} ${reason} ${message}`;
    };
    return { steps, state, says };
  }

  test('whose UDP port another program has says so, and serves as soon as it is free', async () => {
    const holder = await startProgram(node.namespace.commands, 'backend.ts 8080 7007 51840');
    const { says } = await serve();
    expect(says('InterfaceUp')).toMatch(/^False PortBusy The UDP port 51840 is taken .*ss -lunp.*spec\.listenPort/);
    expect(says('Programmed')).toMatch(/^False ApplyFailed The UDP port 51840/);
    await holder.stop();
    const mended = await serve();
    expect(mended.says('InterfaceUp')).toMatch(/^True /);
    expect(mended.state.device?.listenPort).toBe(51840);
    expect((await serve()).steps).toEqual([]);
  });

  const withIpv6 = hasIpv6 ? 'this one has it; the kernel ring has one without' : undefined;
  test.skipIf(hasIpv6)(`whose kernel has no IPv6 serves IPv4 and says so${because(withIpv6)}`, async () => {
    const { state, says } = await serve();
    expect(says('Programmed')).toMatch(/^True/);
    expect(says('ForwardingEnabled')).toMatch(/^True SingleFamily IPv6 is off on this node \(its kernel has none\)/);
    expect(state.device?.addresses).toEqual(['10.213.0.1/32']);
    expect((await serve()).steps).toEqual([]);
  });

  test.skipIf(!hasIpv6)('whose IPv6 is off serves IPv4 and says so, and serves both as soon as it is on', async () => {
    const set = (value: number) =>
      node.namespace.run(
        `sysctl -q -w net.ipv6.conf.all.disable_ipv6=${value} net.ipv6.conf.default.disable_ipv6=${value}`,
      );
    await set(1);
    const { state, says } = await serve();
    expect(says('Programmed')).toMatch(/^True/);
    expect(says('ForwardingEnabled')).toMatch(
      /^True SingleFamily IPv6 is off on this node .*disable_ipv6.*pool\.cidrs/,
    );
    expect(state.device?.addresses).toEqual(['10.213.0.1/32']);
    expect((await serve()).steps).toEqual([]);
    await set(0);
    const both = await serve();
    expect(both.says('ForwardingEnabled')).toMatch(/^True Enabled/);
    expect(both.state.device?.addresses).toHaveLength(2);
    expect((await serve()).steps).toEqual([]);
    await set(1);
    expect((await serve()).state.device?.addresses).toEqual(['10.213.0.1/32']);
    expect((await serve()).says('Programmed')).toMatch(/^True/);
    expect((await serve()).steps).toEqual([]);
  });
});

/** Kernels may be built without namespaces of users, for which alone the limit can be set. */
const WATCHES = '/proc/sys/user/max_inotify_instances';

describe.skipIf(missing)('a wireguard-go that ends at its start', () => {
  let namespace: Namespace;
  let folder: string;
  beforeEach(async () => {
    namespace = await Namespace.create();
    folder = await mkdtemp(join(tmpdir(), 'wireguard-go-'));
  });
  afterEach(async () => {
    await namespace?.dispose();
    await rm(folder, { recursive: true });
  });

  /** Starts this script in place of wireguard-go, which is its last word. */
  async function started(
    script: string,
    act: (wireguard: WireGuard) => Promise<void> = async () => undefined,
    commands: Commands = namespace.commands,
  ) {
    const program = join(folder, 'wireguard-go');
    await writeFile(program, `#!/bin/sh\n${script} ${await wireguardGo()} "$@"\n`, { mode: 0o755 });
    const options = { privateKeyFile: join(folder, 'none'), runDir: folder, wireguardGo: program };
    const wireguard = new WireGuard(commands, options);
    try {
      await wireguard.create(PLAN_NAMES.device, 'Userspace');
      await act(wireguard);
    } finally {
      await wireguard.close();
    }
  }

  async function isServed(wireguard: WireGuard) {
    expect(await wireguard.dump(PLAN_NAMES.device)).toMatchObject({ peers: new Map() });
  }

  test.skipIf(!existsSync(WATCHES))('because nobody may watch a file any more says so with the remedy', async () => {
    const inside = `echo 0 > ${WATCHES} && exec "$0" "$@"`;
    const tried = started(`exec unshare --user --map-root-user --net sh -c '${inside}'`);
    const failure = failureOf(await tried.catch((error: unknown) => error));
    expect(failure).toMatchObject({ reason: 'WireGuardUnavailable' });
    expect(failure.message).toMatch(/^This node has no inotify instance left.*fs\.inotify\.max_user_instances=/);
    expect(failure.message).toMatch(/exit code 1: Failed to listen on uapi socket: too many open files\.$/);
  });

  const LOST = 'ERROR: (sp0) 2026/11/22 21:15:41 Failed to listen on uapi socket: no such file or directory';

  test.each([
    ['before it watched it', `echo '${LOST}'; exit 1`],
    ['later', 'exit 0'],
  ])('because `wg` has removed its socket %s is started again', async (_, end) => {
    await started(`if mkdir "$0.once" 2>/dev/null; then ${end}; fi; exec`, isServed);
  });

  test('is asked again where `wg` was ended because it hung up', async () => {
    const { commands } = namespace;
    let hungUp = 0;
    const run: Commands['run'] = (argv, options) => {
      const isHungUpOn = argv[1] === 'show' && hungUp < 2;
      if (!isHungUpOn) return commands.run(argv, options);
      hungUp += 1;
      return commands.run(['sh', '-c', 'kill -PIPE $$'], options);
    };
    await started('exec', isServed, { ...commands, run });
    expect(hungUp).toBe(2);
  });

  test('because it is told to is not', async () => {
    const runs = join(folder, 'runs');
    const program = join(folder, 'wireguard-go');
    await writeFile(program, `#!/bin/sh\ntrap 'exit 0' TERM\necho run >> ${runs}\nwhile :; do sleep 0.1; done\n`, {
      mode: 0o755,
    });
    const options = { privateKeyFile: join(folder, 'none'), runDir: folder, wireguardGo: program };
    const wireguard = new WireGuard(namespace.commands, options);
    const created = wireguard.create(PLAN_NAMES.device, 'Userspace');
    const failed = expect(created).rejects.toThrow(/exit code 0/);
    await expect.poll(() => existsSync(runs)).toBe(true);
    await wireguard.close();
    await failed;
    expect(await readFile(runs, 'utf8')).toBe('run\n');
  });

  test('again and again is a failure, with its words', async () => {
    const tried = started(`echo '${LOST}'; exit 1; exec`);
    await expect(tried).rejects.toThrow(/exit code 1: Failed to listen on uapi socket: no such file or directory$/);
  });
});

test('a program that is missing is named with its remedy', async () => {
  const error = await createCommands()
    .run(['nft-of-nobody', 'list'], { secret: true })
    .catch((caught: unknown) => caught);
  const remedy = /^The program nft-of-nobody is not on the agent's PATH; use the image/;
  expect(failureOf(new Error('look at the node', { cause: error }))).toMatchObject({
    reason: 'ProgramMissing',
    message: expect.stringMatching(remedy),
  });
});

describe.skipIf(missing)('strict reverse path filtering', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.create('nftables');
  }, 60_000);
  afterAll(() => cluster?.dispose());

  const reaches = () => cluster.alice.namespace.ask('tcp 10.96.0.20 80').then(({ answer }) => answer);

  test('of all interfaces does not touch the mesh, because that of its own is loose', async () => {
    const before = await reaches();
    const { namespace } = cluster.gateway;
    await namespace.runAll(`sysctl -q -w net.ipv4.conf.all.rp_filter=1
      sysctl -q -w net.ipv4.conf.default.rp_filter=1
      sysctl -q -w net.ipv4.conf.pods0.rp_filter=1
      sysctl -q -w net.ipv4.conf.under0.rp_filter=1`);
    expect(await reaches()).toEqual(before);
    expect(await cluster.gateway.sync(cluster.plan())).toEqual([]);
  });

  test('of an uplink by which the way back does not go drops the tunnel before anything of ours, and a counter tells', async () => {
    const { namespace } = cluster.gateway;
    const laptop = cluster.alice.namespace;
    const dropped = async () =>
      Number(/ (\d+) /.exec(await namespace.run('nstat -asz TcpExtIPReversePathFilter'))?.[1]);
    // Another address of the laptop, to which this node would answer by its default route.
    await laptop.runAll(`ip address add 203.0.113.9/32 dev lo
      ip route change 192.168.50.0/24 dev eth0 src 203.0.113.9`);
    const before = await dropped();
    await namespace.run('sysctl -q -w net.ipv4.conf.under0.rp_filter=1');
    await laptop.tries('ping -c 2 -i 0.2 -W 1 192.168.50.1');
    expect(await dropped()).toBeGreaterThan(before);
    const loose = await dropped();
    await namespace.run('sysctl -q -w net.ipv4.conf.under0.rp_filter=2');
    await laptop.tries('ping -c 2 -i 0.2 -W 1 192.168.50.1');
    expect(await dropped()).toBe(loose);
  });
});

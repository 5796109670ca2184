import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { attachCluster, type Cluster, startCluster } from './cluster.ts';
import { KUBE_PROXY_MODES, type NodeKernel } from './node.ts';
import { removeKept } from './ownership.ts';
import { labNames, readRecord } from './record.ts';
import { openTerminal } from './remote-terminal.ts';
import { commandSocket, enter } from './sandbox.ts';

const USAGE = `node test/lab/main.ts COMMAND [--name NAME]

  up [--nodes N] [--kernel-nodes N] [--kube-proxy nftables|iptables|ipvs]
                        start a cluster that stays until "down"; the first kernel-nodes (default: 0) of its nodes (2) have a
                        kernel of their own, with in-kernel WireGuard, and only such a one is sure to know ipvs
  down                  remove it, completely
  status                all labs and their nodes
  shell [NODE|LAPTOP]   a shell with kubectl and helm; or on a node or laptop
  laptop LAPTOP         add a laptop to the underlay`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string', default: 'lab' },
    nodes: { type: 'string', default: '2' },
    'kernel-nodes': { type: 'string', default: '0' },
    'kube-proxy': { type: 'string', default: 'nftables' },
  },
});
const [command = '', member] = positionals;

try {
  process.exitCode = await dispatch();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  // Other parts of a start that failed may still wait for something.
  process.exit(1);
}

async function dispatch(): Promise<number> {
  switch (command) {
    case 'up':
      return up();
    case 'down':
      await removeKept(values.name);
      return 0;
    case 'status':
      return status();
    case 'shell':
      return shell(await attached());
    case 'laptop':
      if (member === undefined) throw new Error(USAGE);
      await (await attached()).addLaptop(member);
      return 0;
    default:
      throw new Error(USAGE);
  }
}

async function up(): Promise<number> {
  const kubeProxyMode = KUBE_PROXY_MODES.find((mode) => mode === values['kube-proxy']);
  if (kubeProxyMode === undefined) throw new Error(USAGE);
  const own = Number(values['kernel-nodes']);
  const nodes = Array.from({ length: Number(values.nodes) }, (_, at): NodeKernel => (at < own ? 'own' : 'shared'));
  const began = performance.now();
  const cluster = await startCluster({ name: values.name, nodes, kubeProxyMode, keep: true });
  const suffix = values.name === 'lab' ? '' : ` --name ${values.name}`;
  console.log(`up after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  console.log(`
  export KUBECONFIG=${cluster.kubeconfig}
  ${cluster.tools.path('kubectl')} get nodes
  ${cluster.tools.path('helm')} list
  node test/lab/main.ts shell${suffix}            a shell with both in PATH
  node test/lab/main.ts shell node-1${suffix}     a shell on a node
  node test/lab/main.ts down${suffix}             remove everything
`);
  return 0;
}

async function status(): Promise<number> {
  const names = await labNames();
  if (names.length === 0) console.log('no lab is up');
  for (const name of names) {
    const cluster = await attachCluster(name);
    const state = cluster ? 'up' : 'owned by a running command, or left behind by a crash';
    console.log(`${name}: ${state}; kube-proxy ${readRecord(name)?.kubeProxyMode ?? 'unknown'}`);
    if (cluster) console.log(await cluster.kubectl(['get', 'nodes', '-o', 'wide']));
    for (const laptop of cluster?.laptops ?? []) console.log(`laptop ${laptop.name} ${laptop.address}`);
  }
  return 0;
}

async function shell(cluster: Cluster): Promise<number> {
  const guest = cluster.nodes.find(({ name, kernel }) => name === member && kernel === 'own');
  if (guest) return openTerminal(commandSocket(cluster.name, guest.name));
  const bash = process.env.SHELL ?? 'bash';
  const sandboxed = member === undefined ? undefined : memberInit(cluster, member);
  const [program = '', ...args] = sandboxed ? ['nsenter', ...enter(sandboxed), 'bash'] : [bash];
  const isLaptop = cluster.laptops.some(({ name }) => name === member);
  const env = { ...process.env, ...(isLaptop ? cluster.laptop(member ?? '').environment : cluster.environment) };
  const child = spawn(program, args, { stdio: 'inherit', env });
  const [code] = await once(child, 'exit');
  return (code as number | null) ?? 1;
}

function memberInit(cluster: Cluster, name: string) {
  const record = readRecord(cluster.name);
  const init = [...(record?.nodes ?? []), ...(record?.laptops ?? [])].find((each) => each.name === name)?.init;
  if (!init) throw new Error(`no ${name} is switched on`);
  return { ...cluster.sandbox, init };
}

async function attached(): Promise<Cluster> {
  const cluster = await attachCluster(values.name);
  if (!cluster) throw new Error(`no lab ${values.name} is up; start it with: node test/lab/main.ts up`);
  return cluster;
}

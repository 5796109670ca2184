import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, labTools } from '../../test/lab/binaries.ts';
import { type ExecOptions, output, run } from '../../test/lab/exec.ts';
import { KIND_MODULE, TOOL_MODULES } from '../../test/lab/tool-list.ts';
import { find } from '../support/machine.ts';
import { inProject } from '../support/paths.ts';
import { LAPTOP_DOCKERFILE } from './kind-laptop.ts';
import type { Laptop, Machine, Place } from './place.ts';

const CLUSTER = 'sallyport-demo';
const LAPTOP = 'sallyport-demo-laptop';
const IMAGE = { repository: 'sallyport', tag: 'demo' } as const;
/** The network that kind puts its nodes into; the laptop is one more machine on it. */
const NETWORK = 'kind';

const KUBECONFIG = join(cacheDirectory(), 'demo-kubeconfig');

/** Whether a Docker engine answers here. */
export async function dockerAnswers(): Promise<boolean> {
  if (find('docker') === undefined) return false;
  return (await run(['docker', 'info'], { timeout: 20_000 })).code === 0;
}

/** Starts a cluster of kind, whose nodes are containers. */
export async function startKindPlace(signal: AbortSignal): Promise<Place> {
  const path = await searchPath();
  const environment = { PATH: path, KUBECONFIG };
  await removeKindPlace();
  const config = inProject('test/lab/kind.yaml');
  const name = ['--name', CLUSTER];
  await tell(['kind', 'create', 'cluster', ...name, '--config', config, '--wait', '180s'], {
    env: environment,
    signal,
  });
  const nodes = (await output(['kind', 'get', 'nodes', ...name], { env: environment })).trim().split('\n');
  return {
    environment,
    nodes: nodes.map(container),
    loadSallyport: async () => {
      const image = `${IMAGE.repository}:${IMAGE.tag}`;
      await tell(['docker', 'build', '--tag', image, inProject()], { signal });
      await tell(['kind', 'load', 'docker-image', image, ...name], { env: environment, signal });
      return IMAGE;
    },
    loadHello: async () => undefined,
    addLaptop,
    usage: () => [
      `export KUBECONFIG=${KUBECONFIG}    then kubectl and helm speak to the cluster`,
      `docker exec -it ${LAPTOP} bash    a shell on the laptop`,
      `docker exec -it ${nodes[0] ?? CLUSTER} bash    a shell on a gateway node`,
    ],
    remove: removeKindPlace,
  };
}

/** Removes the cluster and the laptop. */
export async function removeKindPlace(): Promise<void> {
  await run(['docker', 'rm', '--force', LAPTOP]);
  await run(['kind', 'delete', 'cluster', '--name', CLUSTER], { env: { PATH: await searchPath(), KUBECONFIG } });
  await rm(KUBECONFIG, { force: true });
}

async function addLaptop(): Promise<Laptop> {
  await tell(['docker', 'build', '--tag', LAPTOP, '-'], { input: LAPTOP_DOCKERFILE });
  const rights = ['--cap-add', 'NET_ADMIN', '--device', '/dev/net/tun'];
  await output(['docker', 'run', '--detach', '--rm', '--name', LAPTOP, '--network', NETWORK, ...rights, LAPTOP]);
  const machine = container(LAPTOP);
  return {
    ...machine,
    writeFile: async (path, content) => {
      const script = 'umask 077; mkdir -p "$(dirname "$1")"; cat > "$1"';
      await output(['docker', 'exec', '--interactive', LAPTOP, 'sh', '-c', script, 'sh', path], { input: content });
    },
  };
}

function container(name: string): Machine {
  return { name, exec: (argv, options) => run(['docker', 'exec', name, ...argv], options) };
}

/** A PATH with kind, kubectl and helm: the machine's own where it has them, else built from their Go modules. */
async function searchPath(): Promise<string> {
  const builders = { kind: 'kind', kubectl: 'kubernetes', helm: 'helm' };
  const folders = Object.entries(builders).flatMap(([command, folder]) =>
    find(command) === undefined ? [folder] : [],
  );
  if (folders.length === 0) return process.env.PATH ?? '';
  const modules = [...TOOL_MODULES, KIND_MODULE].filter(({ folder }) => folders.includes(folder));
  return (await labTools(modules)).searchPath;
}

/** Runs a long command in sight of the user. */
async function tell(argv: readonly string[], options: ExecOptions = {}): Promise<void> {
  await output(argv, { ...options, onOutput: (text) => process.stdout.write(text) });
}

import type { ExecResult } from '../../test/lab/exec.ts';
import { ExecError, run } from '../../test/lab/exec.ts';
import { CLUSTER_COMMANDS, LAPTOP_COMMANDS, LAPTOP_CONFIG } from './commands.ts';
import { demoFolder, editSample, writeValues } from './folder.ts';
import type { Narrator } from './narrator.ts';
import type { Laptop, Place } from './place.ts';
import { describeTimes, timesOf } from './times.ts';

export interface Stage {
  readonly place: Place;
  readonly narrator: Narrator;
  readonly signal: AbortSignal;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Installs Sallyport by Helm, as whoever looks after a cluster does, and gives the cluster something worth reaching. */
export async function install(stage: Stage): Promise<void> {
  const { narrator, place } = stage;
  await narrator.step('Building Sallyport’s image and giving it to every node', async () => {
    await writeValues(await place.loadSallyport());
  });
  await narrator.step('Installing Sallyport with Helm; every node becomes a gateway', () =>
    onCluster(stage, CLUSTER_COMMANDS.install),
  );
  await narrator.step('Starting a web server, called hello, that can only be reached inside the cluster', async () => {
    const image = await place.loadHello();
    if (image !== undefined) await editSample('hello.yaml', 'image', image);
    await onCluster(stage, CLUSTER_COMMANDS.applyHello);
    await onCluster(stage, CLUSTER_COMMANDS.helloReady);
  });
  await narrator.step(
    'Waiting until the gateway is Ready: a probe on each node has reached a Service through it',
    async () => {
      await onCluster(stage, CLUSTER_COMMANDS.gatewayReady);
      await onCluster(stage, CLUSTER_COMMANDS.gateways);
      await onCluster(stage, CLUSTER_COMMANDS.nodes);
    },
  );
}

/** Brings a laptop in: its key stays on it, the cluster gets the public half, the laptop gets its configuration. */
export async function join(stage: Stage): Promise<Laptop> {
  const { narrator, place } = stage;
  const laptop = await narrator.step('Starting a laptop: outside of the cluster, with stock WireGuard tools', () =>
    place.addLaptop(),
  );
  await narrator.step('Making a key pair on the laptop; the private key never leaves it', async () => {
    await onLaptop(stage, laptop, LAPTOP_COMMANDS.key);
    const key = await onLaptop(stage, laptop, LAPTOP_COMMANDS.publicKey);
    await editSample('meshpeer.yaml', 'publicKey', key.stdout.trim());
    narrator.note('now in manifests/samples/meshpeer.yaml');
  });
  await narrator.step('Letting the laptop in: one object in the cluster', async () => {
    await onCluster(stage, CLUSTER_COMMANDS.letIn);
    await onCluster(stage, CLUSTER_COMMANDS.peerReady);
    await onCluster(stage, CLUSTER_COMMANDS.config);
    const config = await output(stage, 'cat sallyport.conf');
    await laptop.writeFile(LAPTOP_CONFIG, config);
    narrator.note(`the laptop gets the file as ${LAPTOP_CONFIG}:`);
    narrator.answer(config);
  });
  await narrator.step('Connecting the laptop', () => onLaptop(stage, laptop, LAPTOP_COMMANDS.up));
  return laptop;
}

/** Reaches the Service by its name, and shows what the cluster says about it. */
export async function reach(stage: Stage, laptop: Laptop): Promise<void> {
  const { narrator } = stage;
  await narrator.step('Asking the web server by its name in the cluster, from the laptop', async () => {
    await onLaptop(stage, laptop, LAPTOP_COMMANDS.ask);
    const times = await timesOf(() => laptop.exec(quietly(timedAsk()), { signal: stage.signal, timeout: MINUTE }));
    narrator.note(describeTimes(times));
  });
  await narrator.step('What the cluster says about the laptop', async () => {
    await onCluster(stage, CLUSTER_COMMANDS.peerConnected);
    await onCluster(stage, CLUSTER_COMMANDS.peers);
    await onCluster(stage, CLUSTER_COMMANDS.describe);
  });
}

/** Takes the laptop's access away. @throws Error if it still gets an answer. */
export async function revoke(stage: Stage, laptop: Laptop): Promise<void> {
  const { narrator } = stage;
  await narrator.step(
    'Taking the access away: the object is deleted, and the next request gets no answer',
    async () => {
      await onCluster(stage, CLUSTER_COMMANDS.revoke);
      narrator.command(LAPTOP_COMMANDS.ask, 'laptop#');
      const { code, stderr, stdout } = await laptop.exec(
        ['sh', '-c', `${LAPTOP_COMMANDS.ask} --silent --show-error --max-time 3`],
        { signal: stage.signal, timeout: MINUTE },
      );
      narrator.answer(stdout + stderr);
      if (code === 0) throw new Error('the laptop still gets an answer after its MeshPeer was deleted');
    },
  );
}

/** Uninstalls, and shows that the nodes are as they were before. @throws Error if an interface or a table is left. */
export async function uninstall(stage: Stage, laptop: Laptop): Promise<void> {
  const { narrator, place } = stage;
  await narrator.step('Removing Sallyport', async () => {
    await onLaptop(stage, laptop, LAPTOP_COMMANDS.down);
    await onCluster(stage, CLUSTER_COMMANDS.uninstall);
    await onCluster(stage, CLUSTER_COMMANDS.definitions);
    for (const node of place.nodes) {
      const links = await node.exec(['ip', '-brief', 'link', 'show'], { signal: stage.signal });
      if (/^wg-/m.test(links.stdout)) throw new Error(`${node.name} still has the gateway's interface`);
      const { stdout } = await node.exec(['nft', 'list', 'tables'], { signal: stage.signal });
      if (stdout.includes('sallyport')) throw new Error(`${node.name} still has the gateway's firewall`);
    }
    narrator.note('no interface and no firewall table of Sallyport is left on any node');
  });
}

async function onCluster(stage: Stage, line: string): Promise<void> {
  stage.narrator.command(line);
  stage.narrator.answer(await output(stage, line));
}

async function output({ place, signal }: Stage, line: string): Promise<string> {
  const argv = ['sh', '-c', line];
  const result = await run(argv, { cwd: demoFolder(), env: place.environment, signal, timeout: 10 * MINUTE });
  if (result.code !== 0) throw new ExecError([line], result);
  return result.stdout;
}

async function onLaptop({ narrator, signal }: Stage, laptop: Laptop, line: string): Promise<ExecResult> {
  narrator.command(line, 'laptop#');
  const result = await laptop.exec(quietly(line), { signal, timeout: MINUTE });
  if (result.code !== 0) throw new ExecError([`on the laptop: ${line}`], result);
  narrator.answer(result.stdout);
  return result;
}

/** A shell line; curl's progress meter is off where nobody watches it. */
function quietly(line: string): readonly string[] {
  return ['sh', '-c', line.replace(/^curl /, 'curl --silent --show-error --max-time 30 ')];
}

function timedAsk(): string {
  return `${LAPTOP_COMMANDS.ask} --output /dev/null --write-out '%{time_total}'`;
}

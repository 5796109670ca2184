import { type Mesh, must, until } from '../lab/mesh.ts';
import { type Heal, meanwhile, type Scene } from './fault.ts';

/** Has open connections go on for so long through a node that goes; the heal has them do so as by default. The load's own never ends. */
export async function drainsFor(mesh: Mesh, drain: string): Promise<Heal> {
  await mesh.patchGateway('default', { takeover: { drain } });
  return () => mesh.patchGateway('default', { takeover: { drain: '60s' } });
}

/**
 * Tells the cluster by a command of kubectl that nodes are about to go, where no connection may stay open, and waits until the laptop has
 * gone elsewhere. The heal undoes it by another command.
 */
export async function drained(scene: Scene, tell: readonly string[], untell: readonly string[]): Promise<Heal> {
  const { mesh } = scene;
  const asBefore = await drainsFor(mesh, '0s');
  await mesh.cluster.kubectl(tell);
  const heal = async () => {
    await mesh.cluster.kubectl(untell);
    await asBefore();
  };
  return meanwhile(heal, () => untilCalledAway(scene));
}

/** Waits until the laptop dials another node than the one that the load has passed. */
export async function untilCalledAway({ laptop, node }: Scene, seconds = 60): Promise<void> {
  await until(
    `the laptop to go from ${node.name} to another node`,
    async () => must(await laptop.exec(['wg', 'show', 'mesh', 'endpoints'])),
    (shown) => /\t\d/.test(shown) && !shown.includes(`\t${node.address}:`),
    seconds,
  );
}

/** Waits until every node lets devices reach Services. */
export async function untilServing(mesh: Mesh): Promise<void> {
  const all = mesh.cluster.nodes.length;
  await until(
    'all nodes of the gateway to serve',
    () => mesh.gateway(),
    ({ status }) => status?.nodes?.selected === all && status.nodes.ready === all,
    180,
  );
}

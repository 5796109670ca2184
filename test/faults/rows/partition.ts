import { curl, type Device, type Mesh, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { chain, table } from '../api-path.ts';
import { CalledLaptop } from '../called-laptop.ts';
import { letsIn, untilTold } from '../devices.ts';
import { type Fault, type Heal, meanwhile, type Scene } from '../fault.ts';
import { untilServing } from '../going.ts';
import { calledAway } from '../promise.ts';

/** Until the others have found out, one of them has called the device, and it has come. */
const CALLED_WITHIN_S = 3;

/**
 * What becomes of devices whose node lives and is alone: it takes its sessions for good, and so do those who take the devices over. It lasts less than the
 * 15 s after which WireGuard there shakes hands with a device that does not answer any more, and has it back (docs/design/0024).
 */
export const PARTITION: Fault = {
  what: 'one of four gateway nodes cut off from the others and from the API server, and not from laptops, for seconds',
  through: 'userspace',
  promise: calledAway(CALLED_WITHIN_S, 60),
  async inject(scene) {
    const { mesh, node, laptop, device, spare } = scene;
    const { nodes } = mesh.cluster;
    // It sends nothing but keepalives, so that its node has nothing to answer.
    await mesh.join(spare.laptop, spare.device, node.address);
    await untilTold({ ...scene, ...spare });
    const called = await CalledLaptop.watch(laptop, nodes);
    const choosing = await CalledLaptop.watch(spare.laptop, nodes);
    const mend = await alone(node, [laptop.address, spare.laptop.address]);
    let settled: Heal = async () => undefined;
    const heal = async () => {
      try {
        await mend();
        await untilServing(mesh);
        await settled();
      } finally {
        await Promise.all([called.stop(), choosing.stop()]);
        await mesh.leave(spare.laptop);
      }
    };
    return meanwhile(heal, async () => {
      const taker = await calledByOne(called, node);
      const chosen = await choosesAnother(scene, await calledByOne(choosing, node));
      await called.untilGoesBy((went) => went.at(-1) === taker);
      expectSame('called by', await called.callers(), [taker]);
      expectSame('goes by', choosing.wentBy.at(-1), chosen);
      settled = async () => {
        await Promise.all([untilHeldBy(mesh, device, taker), untilHeldBy(mesh, spare.device, chosen)]);
        const went = [called.wentBy.length, choosing.wentBy.length];
        await letsIn(scene);
        expectSame('changed its way', [called.wentBy.length, choosing.wentBy.length], went);
        expectSame('goes by', [called.wentBy.at(-1), choosing.wentBy.at(-1)], [taker, chosen]);
      };
    });
  },
};

/** Lets a node hear and reach nobody on the underlay but these. */
function alone(node: LabNode, but: readonly string[]): Promise<Heal> {
  const drop = (device: string, end: string) => `${device} "eth0" ip ${end} != { ${but.join(', ')} } drop`;
  return table(node, [
    chain('prerouting', 'filter', drop('iifname', 'saddr')),
    chain('postrouting', 'filter', drop('oifname', 'daddr')),
  ]);
}

/** Waits until a laptop goes by another node; resolves with that one. @throws where not that one alone has called it */
async function calledByOne(laptop: CalledLaptop, from: LabNode): Promise<string> {
  await laptop.untilGoesBy((went) => went.length > 1);
  const [, to = ''] = laptop.wentBy;
  expectSame('called by', await laptop.callers(), [to]);
  expectSame('goes by', laptop.wentBy, [from.name, to]);
  return to;
}

/** The spare laptop dials the node that neither is alone nor has called it; resolves with that one once it is served there. */
async function choosesAnother({ mesh, node, spare }: Scene, called: string): Promise<string> {
  const chosen = mesh.cluster.nodes.find(({ name }) => name !== node.name && name !== called);
  if (chosen === undefined) throw new Error('there is no other node');
  await mesh.leave(spare.laptop);
  await mesh.join(spare.laptop, spare.device, chosen.address);
  const { status, error } = await curl(spare.laptop, `http://${await mesh.serviceAddress('hello-node-3')}/`, 10);
  if (status !== 200) throw new Error(`a laptop that has chosen ${chosen.name} has no answer: ${error}`);
  return chosen.name;
}

async function untilHeldBy(mesh: Mesh, device: Device, node: string): Promise<void> {
  await until(
    `a session of ${device.name} on ${node} alone`,
    () => mesh.peer(device),
    ({ status }) => status?.connections?.map((one) => one.node).join() === node,
  );
}

function expectSame(what: string, seen: unknown, wanted: unknown): void {
  const [is, should] = [JSON.stringify(seen), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`a laptop ${what} ${is}, and not ${should}`);
}

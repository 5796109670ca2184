import { peersOn } from '../lab/gateway-node.ts';
import { curl, type Device, must, until } from '../lab/mesh.ts';
import type { Scene } from './fault.ts';

/** So long before the rest of a device's life ends the nodes have heard of it. */
const LIFETIME_S = 5;
/** A device is out so long after its last moment. */
const OUT_WITHIN_MS = 1_000;
/** A look at a node takes so long, and so long passes between two. */
const LOOK_MS = 2_000;

let made = 0;

/** Expects that a device that comes now is let in by every node, and goes again. */
export async function letsIn({ mesh }: Scene): Promise<void> {
  const device = await mesh.addDevice(`comer-${made++}`);
  await mesh.untilPeer(device, 'Programmed');
  await mesh.deleteDevice(device);
}

/** Waits until the node has the device in its interface, or has not. */
export async function untilOnNode({ node }: Scene, device: Device, isThere: boolean, seconds = 60): Promise<void> {
  await until(
    `${device.name} ${isThere ? 'on' : 'off'} ${node.name}`,
    () => peersOn(node),
    (peers) => peers.includes(device.keys.publicKey) === isThere,
    seconds,
  );
}

/** Makes a device with little time to live, which every node knows; resolves with its last moment, in milliseconds since 1970. */
export async function mortalDevice({ mesh }: Scene): Promise<{ readonly device: Device; readonly expiry: number }> {
  const expiry = Math.ceil(Date.now() / 1000 + 2 * LIFETIME_S) * 1000;
  const expiresAt = new Date(expiry).toISOString().replace('.000Z', 'Z');
  const device = await mesh.addDevice(`mortal-${made++}`, { expiresAt });
  await mesh.untilPeer(device, 'Programmed');
  return { device, expiry };
}

/** Expects that the node has put the device out in time, and not before it. @throws Error that says when it did */
export async function expectExpired({ node }: Scene, device: Device, expiry: number): Promise<void> {
  const isIn = async () => (await peersOn(node)).includes(device.keys.publicKey);
  if (!(await isIn()) && Date.now() < expiry) throw new Error(`${device.name} was out before its time`);
  await until(`${device.name} to be out`, isIn, (isThere) => !isThere, (expiry - Date.now() + 10_000) / 1000);
  const late = Date.now() - expiry;
  if (late > OUT_WITHIN_MS + LOOK_MS) throw new Error(`${device.name} was out ${late} ms after its expiry`);
}

/** Has the laptop of the load dial its node again, where another one has called it; resolves with whether that was so. */
export async function dialsItsNode({ mesh, node, laptop, device }: Scene): Promise<boolean> {
  const shown = must(await laptop.exec(['wg', 'show', 'mesh', 'endpoints']));
  if (shown.trim().endsWith(`\t${node.address}:51840`)) return false;
  await mesh.leave(laptop);
  await mesh.join(laptop, device, node.address);
  return true;
}

/** Until the laptop's session is told of: nobody can take over one that began since the node's last look. */
export async function untilTold({ mesh, node, device }: Scene): Promise<void> {
  await until(
    `a session on ${node.name}`,
    () => mesh.peer(device),
    ({ status }) => status?.connections?.[0]?.node === node.name,
  );
}

/** Expects that a laptop which begins a session now is served. */
export async function expectServed({ mesh, node, spare }: Scene, address: string): Promise<void> {
  await mesh.join(spare.laptop, spare.device, node.address);
  try {
    const { status, error } = await curl(spare.laptop, `http://${address}/`, 10);
    if (status !== 200) throw new Error(`a laptop that begins a session has no answer: ${error}`);
  } finally {
    await mesh.leave(spare.laptop);
  }
}

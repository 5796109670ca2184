import { findCondition } from '../../src/api/conditions.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { Laptop } from './laptop.ts';
import { type Device, type Mesh, RELEASE, startMesh, until } from './mesh.ts';
import { Traffic } from './traffic.ts';

/** So long may a loaded machine take for an answer; a session that is disturbed stays away for five seconds or more. */
const QUIET_MS = 3000;
const PEERS = 'meshpeers.sallyport.dev';

/** A mesh with two devices: one that works all the time and must notice nothing, and one to try things with. */
export class TwoDevices {
  readonly mesh: Mesh;
  /** Keeps one TCP connection to a Service busy. */
  readonly steady: Device;
  readonly other: Device;
  /** Of the other device; its tunnel is down. */
  readonly laptop: Laptop;
  readonly #stream: Traffic;

  private constructor(mesh: Mesh, [steady, other]: readonly [Device, Device], laptop: Laptop, stream: Traffic) {
    this.mesh = mesh;
    this.steady = steady;
    this.other = other;
    this.laptop = laptop;
    this.#stream = stream;
  }

  static async start(name: string): Promise<TwoDevices> {
    const mesh = await startMesh(name);
    try {
      const steadyLaptop = await mesh.cluster.addLaptop('ada');
      const laptop = await mesh.cluster.addLaptop('eve');
      const devices = [await mesh.addDevice('ada'), await mesh.addDevice('eve')] as const;
      await mesh.join(steadyLaptop, devices[0]);
      const stream = new Traffic(steadyLaptop, 'stream', await mesh.serviceAddress('hello-node-2'));
      await stream.answerAfter(0);
      return new TwoDevices(mesh, devices, laptop, stream);
    } catch (error) {
      await mesh.cluster.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#stream.stop();
    await this.mesh.cluster.stop();
  }

  /** Fails when the steady device's connection breaks, or pauses, while this happens. */
  async undisturbed(meanwhile: () => Promise<void>): Promise<void> {
    const began = Date.now();
    await meanwhile();
    await this.#stream.answerAfter(Date.now());
    const gap = this.#stream.longestGap(began, Date.now());
    if (this.#stream.closed !== undefined) throw new Error(`the connection ended ${this.#stream.closed.reason}`);
    if (gap > QUIET_MS) throw new Error(`the connection was silent for ${gap} ms`);
  }

  async addressOf({ namespace, name }: Device): Promise<string> {
    return (await this.mesh.peer({ namespace, name })).status?.addresses?.[0] ?? '';
  }

  /** Waits until the gateway is refused for this reason, in such a sentence, and an Event says so too. */
  async expectRefusal(gateway: string, reason: string, sentence: RegExp): Promise<void> {
    const found = await this.mesh.untilGateway(gateway, 'Accepted', 'False', reason);
    const message = messageOf(found, 'Accepted');
    if (!sentence.test(message)) throw new Error(`not ${sentence}: ${message}`);
    await this.expectEvent(gateway, reason, sentence);
  }

  async expectEvent(name: string, reason: string, sentence: RegExp): Promise<void> {
    const told = () => this.mesh.events(name, reason);
    await until(`the Event ${reason} of ${name}`, told, (messages) => messages.some((one) => sentence.test(one)), 10);
  }

  /** Waits until the other device's configuration has such a line. */
  async untilConfig(pattern: RegExp): Promise<void> {
    const look = async () => (await this.mesh.peer(this.other)).status?.config ?? '';
    await until(`${pattern} in the configuration`, look, (config) => pattern.test(config));
  }

  /** The private key of a gateway, supplied before or after the gateway itself. */
  async applySecret(name: string, privateKey: string): Promise<void> {
    const metadata = { name, namespace: RELEASE.namespace };
    await this.mesh.apply({ apiVersion: 'v1', kind: 'Secret', metadata, stringData: { privateKey } });
  }

  /** Writes over a MeshPeer's status. */
  async patchStatus({ namespace, name }: Device, status: object): Promise<void> {
    const patch = ['--subresource=status', '--type=merge', '-p', JSON.stringify({ status })];
    await this.mesh.cluster.kubectl(['-n', namespace, 'patch', PEERS, name, ...patch]);
  }

  /** The messages that stand on a MeshPeer, whether or not it can be read as one. */
  storedMessages({ namespace, name }: Device): Promise<string> {
    const path = 'jsonpath={.status.conditions[*].message}';
    return this.mesh.cluster.kubectl(['-n', namespace, 'get', PEERS, name, '-o', path]);
  }
}

/** What a condition of a gateway says. */
export function messageOf({ status }: MeshGateway, type: string): string {
  return findCondition(status?.conditions ?? [], type)?.message ?? '';
}

import { findCondition, isTrue } from '../../src/api/conditions.ts';
import { DEVICE, wgOn } from './gateway-node.ts';
import { type Device, type Mesh, until } from './mesh.ts';

/** Which of the rivals is let in, and what its node has of it. */
export interface LetIn {
  readonly name: string;
  readonly publicKey: string;
  readonly address: string;
}

/** Fields of a MeshPeer's spec. */
interface Claim {
  readonly publicKey?: string;
  readonly addresses?: readonly string[];
}

/** Devices that all claim the same, a key or an address, of which one can be let in. */
export class Rivals {
  readonly #mesh: Mesh;
  readonly #claim: Claim;
  readonly #devices: readonly Device[];

  private constructor(mesh: Mesh, claim: Claim, devices: readonly Device[]) {
    this.#mesh = mesh;
    this.#claim = claim;
    this.#devices = devices;
  }

  /** Has four of them come at one moment. */
  static async come(mesh: Mesh, name: string, claim: Claim): Promise<Rivals> {
    const names = ['a', 'b', 'c', 'd'].map((letter) => `${name}-${letter}`);
    return new Rivals(mesh, claim, await Promise.all(names.map((one) => mesh.addDevice(one, claim))));
  }

  /** Those that are let in, once each is judged as it is and one of them is in. */
  async letIn(): Promise<readonly LetIn[]> {
    const peers = await until(
      'each of them to be judged',
      () => Promise.all(this.#devices.map((device) => this.#mesh.peer(device))),
      (found) =>
        found.every(({ metadata, status }) => {
          const accepted = findCondition(status?.conditions ?? [], 'Accepted');
          return accepted !== undefined && accepted.observedGeneration === metadata.generation;
        }) && found.some(({ status }) => isTrue(status?.conditions ?? [], 'Accepted')),
    );
    return peers
      .filter(({ status }) => isTrue(status?.conditions ?? [], 'Accepted'))
      .map(({ metadata: { name }, spec: { publicKey }, status }) => ({
        name,
        publicKey,
        address: status?.addresses?.[0] ?? '',
      }));
  }

  /** Waits until another one than this is let in; resolves with all that are. */
  letInOtherThan({ name }: LetIn): Promise<readonly LetIn[]> {
    return until(
      `another one than ${name}`,
      () => this.letIn(),
      ([now]) => now !== undefined && now.name !== name,
    );
  }

  /** Deletes one and makes it again, so that it is the youngest. */
  async comeAgain(name: string): Promise<void> {
    const device = this.#devices.find((one) => one.name === name);
    if (device === undefined) throw new Error(`nobody is called ${name}`);
    await this.#mesh.deleteDevice(device);
    await this.#mesh.applyDevice(device, this.#claim);
  }

  /** Deletes all but this one and makes them again, twice. */
  async othersComeAgain({ name }: LetIn): Promise<void> {
    const others = this.#devices.filter((device) => device.name !== name);
    for (const device of [...others, ...others]) await this.comeAgain(device.name);
  }

  /** Waits until this one, and no other rival, is what a node has of them. */
  async untilOnNode({ publicKey, address }: LetIn): Promise<void> {
    const keys = [...this.#devices.map(({ keys }) => keys.publicKey as string), publicKey];
    const look = async () => {
      const lines = (await wgOn(this.#mesh.cluster.node('node-1'), ['show', DEVICE, 'allowed-ips'])).trim().split('\n');
      return lines.filter((line) => keys.some((key) => line.startsWith(key)) || line.includes(`\t${address}/32`));
    };
    await until(
      `${address} on the node`,
      look,
      (lines) => lines.length === 1 && lines[0] === `${publicKey}\t${address}/32`,
    );
  }
}

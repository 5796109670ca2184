import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { namespaceType, serviceType } from '../../../src/api/core.ts';
import { meshAccessType } from '../../../src/api/meshaccess.ts';
import { keyOf } from '../../../src/api/resource.ts';
import { FollowingNode } from '../../netns/following-node.ts';
import { TestNode } from '../../netns/mesh.ts';
import { aMember, aServedGateway } from '../../support/builders.ts';

const ADDRESS = '10.97.0.1';
const PORT = 443;
const NAMESPACE = 'team';
/** A prime, by whose steps all addresses are met, in no order: devices have theirs by a hash of their name. */
const STRIDE = 7_919;
const LOAD_MS = 60_000;

/** What the end of a grant took. */
export interface Ended {
  readonly seconds: number;
  /** Of one walk that ends nothing, in seconds. */
  readonly walk: number;
  readonly walks: number;
}

/**
 * A node that the agent's own loop keeps, and devices that each have a connection to one port: most by one grant, the others by another. The
 * connections are entries as kube-proxy's translation leaves them, which nobody sends packets for.
 */
export class GrantedTeam {
  readonly #node: TestNode;
  readonly #following: FollowingNode;
  readonly #others: number;

  private constructor(node: TestNode, following: FollowingNode, others: number) {
    this.#node = node;
    this.#following = following;
    this.#others = others;
  }

  static async start(count: number, others: number): Promise<GrantedTeam> {
    const node = await TestNode.create();
    const spec = { access: { default: 'Deny' as const } };
    const peers = Array.from({ length: count + others }, (_, index) => {
      const team = index < count ? 'one' : 'other';
      const metadata = { labels: { team } };
      return aMember({ namespace: NAMESPACE, name: `${team}-${index}`, metadata, address: addressOf(index) });
    });
    const objects = {
      gateway: aServedGateway({ spec, status: { publicKey: node.keys.publicKey } }),
      peers,
      services: [
        serviceType.parse({
          metadata: { namespace: NAMESPACE, name: 'web' },
          spec: { clusterIPs: [ADDRESS], ports: [{ port: PORT, protocol: 'TCP' }] },
        }),
      ],
      namespaces: [namespaceType.parse({ metadata: { name: NAMESPACE } })],
    };
    const started = new GrantedTeam(node, new FollowingNode(objects, node.host), others);
    for (const name of ['one', 'other']) started.#following.accesses.put(grant(name));
    await started.#following.begin();
    await started.#load(count + others);
    return started;
  }

  /** Takes the one grant away; resolves once nothing is left of what it let in. @throws where more or less is left than should be */
  async end(): Promise<Ended> {
    const walk = await seconds(() =>
      this.#node.namespace.tries(`conntrack -D -s ${addressOf(0)} -d ${ADDRESS} -p tcp --dport 1`),
    );
    const { commandsRun } = this.#node;
    const before = commandsRun.length;
    const took = await seconds(async () => {
      this.#following.accesses.remove(keyOf(grant('one').metadata));
      await this.#following.settled();
    });
    const left = await this.#open();
    if (left !== this.#others) throw new Error(`${left} connections are left, not ${this.#others}`);
    const walks = commandsRun.slice(before).filter((line) => line.startsWith('conntrack -D')).length;
    return { seconds: took, walk, walks };
  }

  async stop(): Promise<void> {
    this.#following.close();
    await this.#node.dispose();
  }

  async #load(count: number): Promise<void> {
    const lines = Array.from({ length: count }, (_, index) => entry(addressOf(index), 20_000 + index));
    const file = join(this.#node.folder, 'entries');
    await writeFile(file, lines.join('\n'));
    await this.#node.namespace.commands.run(['conntrack', '-R', file], { timeoutMs: LOAD_MS });
    const open = await this.#open();
    if (open !== count) throw new Error(`${open} of ${count} connections are there`);
  }

  async #open(): Promise<number> {
    const listed = await this.#node.namespace.run(`conntrack -L -p tcp -d ${ADDRESS}`);
    return listed.split('\n').filter((line) => line.includes(`dst=${ADDRESS}`)).length;
  }
}

function addressOf(index: number): string {
  const number = 1_024 + ((index * STRIDE) % 60_000);
  return `10.213.${number >> 8}.${number & 255}`;
}

function entry(source: string, port: number): string {
  const reply = `--reply-src 10.1.0.2 --reply-dst 10.1.0.1 --reply-port-src 8443 --reply-port-dst ${port}`;
  const words = `-p tcp --sport ${port} --dport ${PORT} --state ESTABLISHED --status ASSURED,SEEN_REPLY --timeout 3600`;
  return `-A --src ${source} --dst ${ADDRESS} ${words} ${reply}`;
}

function grant(team: string) {
  return meshAccessType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshAccess',
    metadata: { namespace: NAMESPACE, name: team },
    spec: { from: [{ selector: { matchLabels: { team } } }], to: [{ names: ['web'], ports: [{ number: PORT }] }] },
  });
}

async function seconds(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return (performance.now() - began) / 1000;
}

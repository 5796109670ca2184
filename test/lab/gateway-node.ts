import { must, until } from './mesh.ts';
import type { LabNode } from './node.ts';

/** What the gateway `default` is called on its nodes. */
export const DEVICE = 'wg-default';
export const TABLE = 'sallyport_default';

/** The process id of the agent on a node, as the node counts them; undefined while none runs. */
export async function agentOf(node: LabNode): Promise<string | undefined> {
  // The oldest: what it starts bears its name until it has become another program, which takes a while in a guest.
  const found = (await node.exec(['pgrep', '-o', '-xf', 'node /app/agent.mjs'])).stdout.trim();
  return found === '' ? undefined : found;
}

/** Runs `wg` where the interface's socket is: among the agent's mounts. @throws while no agent runs */
export async function wgOn(node: LabNode, argv: readonly string[]): Promise<string> {
  const agent = await agentOf(node);
  if (agent === undefined) throw new Error(`no agent runs on ${node.name}`);
  return must(await node.exec(['nsenter', '-t', agent, '-m', 'wg', ...argv]));
}

/** The public keys of the peers that the node's interface has now, its probe peer included, sorted. */
export async function peersOn(node: LabNode): Promise<readonly string[]> {
  return (await wgOn(node, ['show', DEVICE, 'peers'])).trim().split('\n').sort();
}

/** The connections from an address that the node's kernel keeps in mind, a line each. */
export async function flowsOn(node: LabNode, source: string): Promise<readonly string[]> {
  const { stdout } = await node.exec(['conntrack', '-L', '-s', source]);
  return stdout.split('\n').filter((line) => line !== '');
}

/** The number by which the kernel knows the interface: another one means that it was made anew. */
export async function linkIndexOn(node: LabNode): Promise<number> {
  const [link] = JSON.parse(must(await node.exec(['ip', '-j', 'link', 'show', 'dev', DEVICE])));
  return (link as { readonly ifindex: number }).ifindex;
}

/** The number by which the kernel knows the table: another one means that it was made anew. */
export async function tableHandleOn(node: LabNode): Promise<string> {
  const listing = must(await node.exec(['nft', '-a', 'list', 'table', 'inet', TABLE]));
  return /# handle (\d+)/.exec(listing)?.[1] ?? '';
}

/** What the gateway has made in a node's kernel, as its tools print it; `link` and `handle` change when it is made anew. */
export interface Made {
  readonly link: number;
  readonly handle: string;
  readonly table: string;
  readonly addresses: string;
  readonly routes: string;
  readonly served: string;
  readonly switches: string;
}

/** Looks at everything that the gateway has made on a node, but for peers that are agents: each has keys of its own. */
export async function madeOn(node: LabNode): Promise<Made> {
  const print = async (...argv: readonly string[]) => must(await node.exec(argv)).trim();
  const wg = async (field: string) => (await wgOn(node, ['show', DEVICE, field])).trim();
  const peers = (await wg('allowed-ips')).split('\n').filter((line) => !line.endsWith(PROBE) && !line.endsWith(ASKS));
  return {
    link: await linkIndexOn(node),
    handle: await tableHandleOn(node),
    table: withoutSeen(await print('nft', '-s', 'list', 'table', 'inet', TABLE)),
    addresses: await print('ip', '-br', '-4', 'address', 'show', 'dev', DEVICE),
    routes: await print('ip', 'route', 'show', 'dev', DEVICE),
    served: [await wg('public-key'), await wg('listen-port'), ...peers.sort()].join('\n'),
    switches: await print('sysctl', '-n', 'net.ipv4.ip_forward', `net.ipv4.conf.${DEVICE}.rp_filter`),
  };
}

/** What has to be the same after something was made anew; forwarding that was turned on by the gateway is noted in its table. */
export function lasting({ link: _link, handle: _handle, table, ...rest }: Made): Omit<Made, 'link' | 'handle'> {
  return { ...rest, table: table.replace(/\s*chain (turned_on|written|seal)_\w+ \{\s*\}/g, '') };
}

/** A neighbour's agent, which asks whether the node lives by a key that is as old as itself. */
const ASKS = '\t(none)';
const PROBE = '\t10.213.0.15/32';

/** A table without the elements that packets put into its sets, which come and go by themselves. */
function withoutSeen(table: string): string {
  return table.replace(/(flags dynamic[^}]*?)\s*elements = \{[^}]*\}/g, '$1');
}

/** Hears of every removal of something that the gateway has made on a node, however soon it is made again. */
export class RemovalWatch {
  readonly #node: LabNode;
  readonly #stopping = new AbortController();
  readonly #monitors: readonly Promise<unknown>[];
  readonly #printed: string[] = [];

  constructor(node: LabNode) {
    this.#node = node;
    this.#monitors = [
      this.#follow(['nft', 'monitor', 'destroy']),
      this.#follow(['ip', '-o', 'monitor', 'link', 'address', 'route']),
    ];
  }

  /** Resolves once it hears: a table and a route that come and go have been heard of. */
  async begun(): Promise<void> {
    const probe = 'nft add table inet lab_probe; nft delete table inet lab_probe';
    const both = `${probe}; ip route add 192.0.2.1 dev lo; ip route delete 192.0.2.1 dev lo`;
    const said = () => ['inet lab_probe', '192.0.2.1 dev lo'].every((text) => this.#printed.join('').includes(text));
    await until(
      `what ${this.#node.name} removes`,
      async () => {
        must(await this.#node.exec(['sh', '-c', both]));
        return said();
      },
      (heard) => heard,
    );
  }

  /** What was removed so far. */
  removals(): readonly string[] {
    const ours = (line: string) => line.includes(DEVICE) || line.includes(TABLE);
    const lines = this.#printed.join('').split('\n');
    return lines.filter((line) => /^(Deleted|delete) /.test(line) && ours(line));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#monitors);
  }

  #follow(argv: readonly string[]): Promise<unknown> {
    const onOutput = (text: string) => void this.#printed.push(text);
    const running = this.#node.exec(argv, { signal: this.#stopping.signal, onOutput });
    running.catch(() => undefined);
    return running;
  }
}

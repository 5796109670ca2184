import { must } from './mesh.ts';
import type { LabNode } from './node.ts';

/** What the gateway `default` is called on its nodes. */
export const DEVICE = 'wg-default';
export const TABLE = 'sallyport_default';

/** The process id of the agent on a node, as the node counts them; undefined while none runs. */
export async function agentOf(node: LabNode): Promise<string | undefined> {
  const found = (await node.exec(['pgrep', '-xf', 'node /app/agent.mjs'])).stdout.trim();
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

import { UNDERLAY_PREFIX } from './addresses.ts';
import { output } from './exec.ts';
import type { Sandbox } from './sandbox.ts';

/** A network namespace below the lab's, to be plugged into the lab's bridge. */
export interface Plug {
  readonly lab: Sandbox;
  readonly member: Sandbox;
  /** The bridge's end of the cable; at most 15 characters. */
  readonly port: string;
  readonly address: string;
  /** Where everything goes that has no other route; undefined for a cable that leads to the underlay alone. */
  readonly gateway: string | undefined;
  /** The other end of the cable. Default: eth0. */
  readonly device?: string;
}

/** Lays a cable from the lab's bridge to a node or laptop. */
export async function plugIn({ lab, member, port, address, gateway, device = 'eth0' }: Plug): Promise<void> {
  await ipBatch(lab, [
    `link add ${port} type veth peer name ${device} netns ${member.init.pid}`,
    `link set ${port} master br0 up`,
  ]);
  await ipBatch(member, [
    `address add ${address}/${UNDERLAY_PREFIX} dev ${device}`,
    `link set ${device} up`,
    ...(gateway === undefined ? [] : [`route add default via ${gateway}`]),
  ]);
}

/** Pulls the cable of a node or laptop out of the lab's bridge, if there is one. */
export async function unplug(lab: Sandbox, port: string): Promise<void> {
  const ports = await output(['nsenter', '--target', String(lab.init.pid), '--net', 'ip', '-oneline', 'link', 'show']);
  if (ports.includes(` ${port}@`)) await ipBatch(lab, [`link delete ${port}`]);
}

/** Runs lines of `ip` in a sandbox's network. Only that namespace is entered, so process ids are the machine's. */
export async function ipBatch({ init }: Sandbox, lines: readonly string[]): Promise<void> {
  await output(['nsenter', '--target', String(init.pid), '--net', 'ip', '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
  });
}

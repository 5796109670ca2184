import { failedSaying } from './exec-error.ts';

/** The node has no WireGuard of the kind that is wanted; the message says what to do. */
export class WireGuardUnavailable extends Error {
  constructor(message: string, options: { readonly cause: unknown }) {
    super(message, options);
    this.name = 'WireGuardUnavailable';
  }
}

/** What the failure to make a kernel interface means to whoever asked for one. */
export function withoutKernelWireGuard(error: unknown): unknown {
  if (!failedSaying(error, /Unknown device type|not supported/i)) return error;
  return new WireGuardUnavailable(
    "this node's kernel has no WireGuard, which spec.dataplane asks for; load the module on the node (modprobe wireguard), or set spec.dataplane to Auto",
    { cause: error },
  );
}

/** What the failure to make a TUN interface, which wireguard-go needs, means. */
export function withoutTun(error: unknown): unknown {
  if (!failedSaying(error, /No such (file|device)|not supported/i)) return error;
  return new WireGuardUnavailable(
    "this node has no /dev/net/tun, which wireguard-go needs; load a module on the node: wireguard (then the kernel's serves), or tun",
    { cause: error },
  );
}

/** What wireguard-go's end at its start means: it watches its socket, for which the kernel has so many instances for each user of a node. */
export function withoutInotify(error: unknown): unknown {
  if (!failedSaying(error, /uapi socket: too many open files/)) return error;
  return new WireGuardUnavailable(
    "this node has no inotify instance left, which wireguard-go needs; raise the limit on the node (sysctl -w fs.inotify.max_user_instances=1024), or load the module wireguard (then the kernel's serves)",
    { cause: error },
  );
}

import type { IpAddress } from '../../net/address.ts';
import type { Cidr } from '../../net/cidr.ts';

/**
 * The mark of the tunnel's own packets (fwmark of the WireGuard interface), and the number of the routing table for everything else. Not a
 * bit of it is one that kube-proxy, Calico or Tailscale look at on a laptop that runs them.
 */
export const FULL_NUMBER = 0x3550;

/** The routing protocol that marks our rules and routes; nothing without it is ever removed. */
export const FULL_PROTOCOL = 213;

/** An address and port to which UDP leaves beside the tunnel: of a gateway's endpoint, whichever may be raced. */
export interface Outside {
  readonly address: IpAddress;
  readonly port: number;
}

/** A question for the name of an endpoint, which leaves beside the tunnel: to this server, port 53, from this port of ours. */
export interface Question {
  readonly server: IpAddress;
  readonly port: number;
}

/** What sends all of a machine's traffic into a tunnel, and lets nothing out beside it. */
export interface FullTunnel {
  readonly device: string;
  /** Whether the interface is there. While it is not, all of it leads nowhere. */
  readonly isServed: boolean;
  /** The device's own mesh addresses. */
  readonly addresses: readonly IpAddress[];
  /** The cluster's own ranges, which no other route of the machine may lead elsewhere. */
  readonly ranges: readonly Cidr[];
  /** What the gateways carry, of 0.0.0.0/0 and ::/0; the other goes nowhere. */
  readonly internet: readonly Cidr[];
  readonly outside: readonly Outside[];
  readonly questions: readonly Question[];
}

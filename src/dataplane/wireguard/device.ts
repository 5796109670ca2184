import type { Cidr } from '../../net/cidr.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { PublicKey } from '../../net/key.ts';

/** A preshared key by where it stands and by what it can be recognized; the key itself is in no plan. */
export interface MountedPresharedKey {
  /** The file's name in the folder that the node has for them. */
  readonly file: string;
  /** Equal for equal keys, as one process of a node computes it; means nothing to anybody else. */
  readonly fingerprint: string;
}

/** A peer as it should be in the interface. */
export interface WantedPeer {
  readonly publicKey: PublicKey;
  /** Sorted, without overlaps; the addresses that packets from this peer may carry and that are routed to it. */
  readonly allowedIPs: readonly Cidr[];
  readonly presharedKey?: MountedPresharedKey | undefined;
  /** The other key of the same device, while it has two: addresses that go from one to the other stay with the device. */
  readonly otherKey?: PublicKey | undefined;
}

/** Which WireGuard may serve the interface; `Auto` takes the kernel's where it exists. */
export type DataplaneChoice = 'Auto' | 'Kernel' | 'Userspace';

/** The WireGuard interface as it should be. The private key appears by its public half only, so a plan may be printed. */
export interface WantedDevice {
  readonly name: string;
  readonly dataplane: DataplaneChoice;
  readonly listenPort: number;
  readonly mtu: number;
  /** The interface's own addresses, host prefixes only, sorted. */
  readonly addresses: readonly Cidr[];
  /** What the mounted private key must derive to. */
  readonly publicKey: PublicKey;
  readonly peers: ReadonlyMap<PublicKey, WantedPeer>;
}

/** A peer as `wg show dump` tells it. */
export interface ObservedPeer {
  readonly publicKey: PublicKey;
  readonly allowedIPs: readonly Cidr[];
  /** Where the peer's packets last came from; undefined before the first. */
  readonly endpoint?: Endpoint | undefined;
  /** Seconds since the epoch; 0 when there was never a handshake. */
  readonly latestHandshake: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** The fingerprint of its preshared key, where it has one. */
  readonly presharedKey?: string | undefined;
}

/** The interface as it is. */
export interface ObservedDevice {
  readonly name: string;
  readonly ifindex: number;
  readonly dataplane: 'Kernel' | 'Userspace';
  /**
   * True for a userspace interface that nobody serves: the link, its addresses and routes outlived wireguard-go, the key,
   * the port and the peers did not.
   */
  readonly stopped?: boolean | undefined;
  readonly up: boolean;
  readonly mtu: number;
  /** Host prefixes of global scope, sorted; anything else on the interface is not ours and stays. */
  readonly addresses: readonly Cidr[];
  readonly listenPort: number;
  /** Undefined while the interface has no private key. */
  readonly publicKey?: PublicKey | undefined;
  readonly peers: ReadonlyMap<PublicKey, ObservedPeer>;
}

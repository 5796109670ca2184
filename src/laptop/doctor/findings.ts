import type { MeshGateway } from '../../api/meshgateway.ts';
import type { MeshGatewayNode } from '../../api/meshgatewaynode.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import type { AccessAnswer } from '../../mesh/access/explain.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import type { IpAddress } from '../../net/address.ts';
import type { Cidr } from '../../net/cidr.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { PublicKey } from '../../net/key.ts';
import type { Profile } from '../profile.ts';

/** What a look brought; or why nothing could be seen, as the second half of a sentence. */
export type Look<T> = { readonly kind: 'seen'; readonly value: T } | { readonly kind: 'unseen'; readonly why: string };

/** All that doctor's looks brought. What is undefined was not looked at: something before it failed, or nobody asked for it. */
export interface Findings {
  /** Milliseconds since 1970, by the clock of this device. */
  readonly now: number;
  /** The profile's name. */
  readonly name: string;
  readonly files: FilesFinding;
  readonly clock: Look<ClockFinding>;
  readonly supervisor: SupervisorFinding;
  readonly device: Look<DeviceFinding | undefined> | undefined;
  readonly routing: Look<RoutingFinding> | undefined;
  /** Undefined without a kubeconfig. */
  readonly cluster: Look<ClusterFinding> | undefined;
  readonly endpoints: readonly EndpointFinding[] | undefined;
  readonly inside: InsideFinding | undefined;
}

/** The profile's files, below `folder`; `problem` says why they cannot be used. */
export type FilesFinding =
  | { readonly kind: 'unusable'; readonly problem: string; readonly folder: string }
  | {
      readonly kind: 'read';
      readonly profile: Profile;
      readonly configuration: ClientConfiguration;
      readonly key: KeyFinding;
      /** A rotation that did not come to its end left the key that it was changing to, or from. */
      readonly otherPublicKey: PublicKey | undefined;
      readonly hasPresharedKeyFile: boolean;
    };

export type KeyFinding =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly problem: string }
  | { readonly kind: 'read'; readonly file: string; readonly mode: number; readonly publicKey: PublicKey };

/** This device's clock beside another one; positive when this one is ahead. */
export interface ClockFinding {
  readonly against: string;
  readonly aheadMs: number;
}

export type SupervisorFinding =
  | { readonly kind: 'none' }
  | { readonly kind: 'mute'; readonly problem: string }
  | {
      readonly kind: 'running';
      readonly pid: number;
      readonly routes: readonly string[];
      /** Whether everything goes into the tunnel. */
      readonly full: boolean;
      /** How it set up names; undefined when it did not. */
      readonly names: string | undefined;
      /** What happened meanwhile, newest last. */
      readonly notices: readonly string[];
      /** Whether it was told to leave names alone; undefined when that is not known. */
      readonly leavesNames: boolean | undefined;
    };

/** The tunnel's interface. */
export interface DeviceFinding {
  /** Such as `wireguard` and `tun`. */
  readonly kind: string | undefined;
  readonly up: boolean;
  readonly mtu: number;
  readonly addresses: readonly Cidr[];
  /** Its keys, which root alone sees; undefined when no program serves it. */
  readonly keys: Look<DeviceKeys | undefined>;
}

export interface DeviceKeys {
  readonly own: PublicKey | undefined;
  readonly gateways: readonly PublicKey[];
}

export interface RouteFinding {
  readonly destination: Cidr;
  readonly device: string;
}

/** Where this machine sends packets. */
export interface RoutingFinding {
  /** Of the main table. */
  readonly routes: readonly RouteFinding[];
  /** By which interface packets to an address leave, all tables and rules considered; undefined when they cannot. */
  readonly ways: ReadonlyMap<IpAddress, string | undefined>;
  /** Whether the firewall rules of a full tunnel are there, which root alone sees; undefined where nobody looked. */
  readonly guarded?: Look<boolean> | undefined;
}

/** The cluster's side, as far as the rights of the kubeconfig go. */
export interface ClusterFinding {
  readonly server: string;
  /** Undefined when there is none of that name. */
  readonly peer: Look<MeshPeer | undefined>;
  readonly gateways: Look<readonly MeshGateway[]>;
  readonly nodes: Look<readonly MeshGatewayNode[]>;
  /** The latest warning about the MeshPeer, where there is one. */
  readonly warning: Look<string | undefined>;
  /** What each gateway's rules say of the Service that somebody asked about; undefined when nobody did. */
  readonly access?: Look<readonly AccessAnswer[]> | undefined;
}

/** One endpoint of a gateway, dialled from a socket of doctor's own. */
export interface EndpointFinding {
  readonly gateway: string;
  readonly endpoint: Endpoint;
  /** Where its name leads; the address itself when it is one. */
  readonly address: IpAddress | undefined;
  /** By which interface packets leave for it, where that was seen. */
  readonly device?: string | undefined;
  readonly outcome:
    | { readonly kind: 'unresolved'; readonly code: string }
    | { readonly kind: 'answered'; readonly rttMs: number }
    | { readonly kind: 'silent' }
    /** The host says that nothing listens there. */
    | { readonly kind: 'refused' }
    | { readonly kind: 'unreachable'; readonly code: string }
    /** This machine itself does not let it out. */
    | { readonly kind: 'blocked' };
}

/** How an attempt to reach something by TCP or UDP ended. `code` is that of the system. */
export type Reached =
  | { readonly kind: 'connected'; readonly ms: number }
  | { readonly kind: 'refused' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'unreachable'; readonly code: string };

export type DnsReached =
  | { readonly kind: 'answered'; readonly rcode: number; readonly addresses: readonly IpAddress[] }
  | Exclude<Reached, { readonly kind: 'connected' }>;

/** What was seen through the tunnel. */
export interface InsideFinding {
  readonly gateways: readonly GatewayAnswer[];
  /** Undefined when there is nobody to send large packets to. */
  readonly largest: Look<LargestFinding> | undefined;
  readonly dns: readonly { readonly server: IpAddress; readonly answer: DnsReached }[];
  /** What the resolver of this machine says about `kubernetes.default.svc` of the cluster. */
  readonly names: NamesFinding | undefined;
  /** What it says about a name of the internet, under a full tunnel. */
  readonly outside?: NamesFinding | undefined;
  /** The `kubernetes` Service at its HTTPS port. */
  readonly kubernetes: { readonly address: IpAddress; readonly reached: Reached } | undefined;
  readonly service: ServiceFinding | undefined;
}

/** What a gateway said at one of its mesh addresses, at the port for configurations. */
export interface GatewayAnswer {
  readonly gateway: string;
  readonly address: IpAddress;
  readonly reached: Reached;
  /** What it answered by HTTP; undefined when it connected and said nothing. */
  readonly http: { readonly status: number; readonly text: string } | undefined;
  /** What is new in it for this device, in sentences. */
  readonly news: readonly string[];
}

/** How large packets get through the tunnel, in bytes with their IP header. */
export interface LargestFinding {
  readonly tried: number;
  /** The largest that came back; undefined when none did, not even small ones. */
  readonly passed: number | undefined;
}

export interface NamesFinding {
  readonly name: string;
  readonly answer:
    | { readonly kind: 'found'; readonly addresses: readonly IpAddress[] }
    | { readonly kind: 'not-found'; readonly code: string };
}

/** A Service that somebody asked about. */
export interface ServiceFinding {
  readonly name: string;
  readonly port: number;
  /** What the cluster's DNS says about it; undefined when no server answers. */
  readonly dns: DnsReached | undefined;
  readonly address: IpAddress | undefined;
  readonly reached: Reached | undefined;
}

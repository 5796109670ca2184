import type { ProbeVerdict } from '../mesh/node-status.ts';
import type { Topology } from '../mesh/topology.ts';
import { addressFamily, type IpAddress } from '../net/address.ts';
import { probeAddress } from '../net/allocate.ts';
import { cidrFamily } from '../net/cidr.ts';
import type { KeyPair } from '../net/key-pair.ts';
import type { ProbeResult } from '../usermode/probe-result.ts';
import { PROBE_TIMEOUTS, Prober, type ProberOptions, type ProbeTarget } from '../usermode/probe-socket.ts';

/** The Service that every cluster has, as a pod knows it. */
export interface ProbedService {
  readonly address: IpAddress;
  readonly port: number;
}

export interface ServiceProbeOptions extends Pick<ProberOptions, 'clock' | 'randomBytes'> {
  readonly keys: KeyPair;
  readonly service: ProbedService;
  /** Is called with what each probe found. */
  readonly onResult?: (result: ProbeResult) => void;
}

/**
 * Asks through the node's own gateway, as a laptop would, whether Services answer: a user-mode WireGuard peer shakes hands with
 * the node's interface over loopback, asks cluster DNS for a name and opens a TCP connection to the `kubernetes` Service.
 */
export class ServiceProbe {
  readonly #options: ServiceProbeOptions;
  #prober: { readonly source: IpAddress; readonly prober: Prober } | undefined;

  constructor(options: ServiceProbeOptions) {
    this.#options = options;
  }

  /** Probes once. Whatever is wrong is told in the verdict; only an aborted signal throws. */
  async run(topology: Topology, signal: AbortSignal): Promise<ProbeVerdict> {
    if (!topology.gateway.spec.advertise.services.enabled) {
      return {
        reason: 'NotProbed',
        message: 'spec.advertise.services.enabled is false, so there are no Services to probe.',
      };
    }
    const family = addressFamily(this.#options.service.address);
    const pool = topology.pool.find((cidr) => cidrFamily(cidr) === family);
    if (pool === undefined) {
      return {
        reason: 'NotProbed',
        message: `The kubernetes Service has an IPv${family} address and the mesh pool has none of that family; add one to pool.cidrs.`,
      };
    }
    const prober = await this.#proberAt(probeAddress(pool));
    const result = await prober.run(this.#target(topology), signal);
    this.#options.onResult?.(result);
    return probeVerdict(result);
  }

  /** Ends the probe's session. */
  async close(): Promise<void> {
    await this.#prober?.prober.close();
  }

  async #proberAt(source: IpAddress): Promise<Prober> {
    if (this.#prober?.source === source) return this.#prober.prober;
    await this.close();
    const { keys, clock, randomBytes } = this.#options;
    const prober = new Prober({ privateKey: keys.privateKey, source, timeouts: PROBE_TIMEOUTS, clock, randomBytes });
    this.#prober = { source, prober };
    return prober;
  }

  #target(topology: Topology): ProbeTarget {
    const { service } = this.#options;
    const server = topology.dnsServers.find((address) => addressFamily(address) === addressFamily(service.address));
    return {
      peerPublicKey: topology.publicKey,
      endpoint: { address: LOOPBACK, port: topology.listenPort },
      ...(server === undefined ? {} : { dns: { server, name: `kubernetes.default.svc.${topology.domain}` } }),
      tcp: service,
    };
  }
}

const LOOPBACK = '127.0.0.1' as IpAddress;

const STEP_REASONS = { handshake: 'HandshakeFailed', dns: 'DNSFailed', tcp: 'TCPFailed' } as const;

/** Where to look first, for each step. */
const STEP_REMEDIES = {
  handshake: "See this node's InterfaceUp condition and the log of its agent.",
  dns: 'Are the DNS pods Ready (kubectl get pods -n kube-system -l k8s-app=kube-dns)? If they are, see kube-proxy on the node.',
  tcp: 'If only some nodes say so, see kube-proxy and firewall rules there (nft list ruleset).',
} as const;

/** What a probe's result says about the node. */
export function probeVerdict(result: ProbeResult): ProbeVerdict {
  if (!result.ok) {
    const { step, problem } = result;
    const sentence = `${problem.charAt(0).toUpperCase()}${problem.slice(1)}.`;
    return { reason: STEP_REASONS[step], message: `${sentence} ${STEP_REMEDIES[step]}` };
  }
  return {
    reason: 'ProbeSucceeded',
    message:
      'A probe shook hands with this gateway, asked cluster DNS, and opened a TCP connection to the kubernetes Service.',
  };
}

import type { Refusal } from './icmp.ts';

/** The steps of a probe, in order; each proves what the one before it cannot. */
export type ProbeStep = 'handshake' | 'dns' | 'tcp';

/** Why a step failed, for programs; the sentence beside it is for people. */
export type ProbeReason =
  | 'timeout'
  | 'port-closed'
  | 'send-failed'
  | 'not-authentic'
  | 'refused'
  | 'unreachable'
  | 'prohibited'
  | 'name-unknown'
  | 'server-failure'
  | 'no-address';

/** Times are milliseconds from a step's first packet to its answer. `reused`: the handshake was an earlier run's. */
export interface ProbeSuccess {
  readonly ok: true;
  readonly reused: boolean;
  readonly handshakeMs: number;
  readonly dnsMs?: number;
  readonly tcpMs: number;
}

/** `problem` says in one sentence what was tried, what came back and where to look. Times are those of the steps that passed. */
export interface ProbeFailure {
  readonly ok: false;
  readonly step: ProbeStep;
  readonly reason: ProbeReason;
  readonly problem: string;
  readonly handshakeMs?: number;
  readonly dnsMs?: number;
}

export type ProbeResult = ProbeSuccess | ProbeFailure;

/** What went wrong, in words and for programs. */
export interface Problem {
  readonly reason: ProbeReason;
  readonly problem: string;
}

/** Whom the handshake is with, as text for sentences. */
export interface GatewayName {
  readonly endpoint: string;
  readonly publicKey: string;
  readonly probePublicKey: string;
}

/** A handshake without an acceptable answer; `sendError` is what the socket said, `refused` why an answer was not taken. */
export function handshakeProblem(
  gateway: GatewayName,
  timeoutMs: number,
  seen: { readonly sendError: string | undefined; readonly refused: string | undefined },
): Problem {
  const { endpoint, publicKey, probePublicKey } = gateway;
  if (seen.sendError === 'ECONNREFUSED') {
    const problem = `nothing listens on UDP ${endpoint}: the WireGuard interface is missing, down, or has another listen port`;
    return { reason: 'port-closed', problem };
  }
  if (seen.sendError !== undefined) {
    const problem = `packets to UDP ${endpoint} cannot be sent (${seen.sendError}): look for a firewall rule or route on this node that forbids it`;
    return { reason: 'send-failed', problem };
  }
  if (seen.refused !== undefined) {
    const problem = `${endpoint} answered the WireGuard handshake, but not acceptably: ${seen.refused}`;
    return { reason: 'not-authentic', problem };
  }
  const problem =
    `${endpoint} did not answer a WireGuard handshake within ${seconds(timeoutMs)}: ` +
    `its public key is not ${publicKey}, it has no peer ${probePublicKey} (the probe), or a firewall drops the packets`;
  return { reason: 'timeout', problem };
}

/** A DNS server that never answered, although the handshake did. */
export function dnsTimeout(server: string, name: string, timeoutMs: number): Problem {
  const problem =
    `DNS server ${server} did not answer for ${name} within ${seconds(timeoutMs)}, though the WireGuard handshake works: ` +
    'the server is down, or packets are dropped behind the interface (forwarding, firewall, service proxy, the way back)';
  return { reason: 'timeout', problem };
}

/** A DNS server that answered with something else than an address. */
export function dnsProblem(server: string, name: string, type: string, rcode: number): Problem {
  const said = `DNS server ${server} answers, but`;
  if (rcode === 0) return { reason: 'no-address', problem: `${said} ${name} has no ${type} record` };
  if (rcode === 3)
    return {
      reason: 'name-unknown',
      problem: `${said} says ${name} does not exist (NXDOMAIN): the name or the cluster domain is wrong, or it is not this cluster's DNS`,
    };
  const code = { 1: 'FORMERR', 2: 'SERVFAIL', 4: 'NOTIMP', 5: 'REFUSED' }[rcode] ?? `code ${rcode}`;
  const problem = `${said} could not look up ${name} (${code}): see the DNS server's own log`;
  return { reason: 'server-failure', problem };
}

/** A TCP connection that nobody answered. */
export function tcpTimeout(target: string, timeoutMs: number): Problem {
  const problem =
    `no answer to a TCP connection to ${target} within ${seconds(timeoutMs)}, though the WireGuard handshake works: ` +
    'packets are dropped behind the interface (forwarding, firewall, service proxy, the way back), or the backend is gone';
  return { reason: 'timeout', problem };
}

/** A TCP connection that was reset. */
export function tcpRefused(target: string): Problem {
  const problem = `${target} refused the TCP connection (reset): nothing listens there, or a firewall rule rejects it`;
  return { reason: 'refused', problem };
}

/** An ICMP error about a packet of ours; `by` is who sent it. */
export function icmpProblem(target: string, refusal: Refusal, by: string): Problem {
  switch (refusal) {
    case 'port':
    case 'protocol':
      return {
        reason: 'refused',
        problem: `${target} is refused by ${by} (ICMP ${refusal} unreachable): the Service has no ready endpoints, or nothing listens there`,
      };
    case 'prohibited':
      return {
        reason: 'prohibited',
        problem: `${target} is refused by ${by} (ICMP administratively prohibited): the Service has no ready endpoints, the service proxy does not know it, or a firewall rule rejects it`,
      };
    case 'network':
    case 'host':
      return {
        reason: 'unreachable',
        problem: `${by} cannot reach ${target} (ICMP ${refusal} unreachable): a route is missing or the backend's node is gone`,
      };
    case 'hops':
      return {
        reason: 'unreachable',
        problem: `packets to ${target} go in a circle (${by} says time exceeded): two nodes route this address to each other`,
      };
    case 'size':
      return {
        reason: 'unreachable',
        problem: `${by} says even the smallest packet to ${target} is too big: an interface's MTU on the way is wrong`,
      };
  }
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

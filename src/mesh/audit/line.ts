import type { MeshPeer } from '../../api/meshpeer.ts';

/** A device, as every line of the audit log names it. */
export interface AuditedPeer {
  readonly namespace: string;
  readonly name: string;
  readonly owner?: string | undefined;
}

/** What a device dialled. */
export interface AuditedDestination {
  readonly address: string;
  readonly port?: number | undefined;
  /** The Service that has this address as its cluster IP. */
  readonly service?: { readonly namespace: string; readonly name: string } | undefined;
}

/**
 * One line of the audit log; docs/audit.md tells people what its fields mean. Fields come, and keep their names and meanings.
 *
 * `connection` stands for `count` packets that were refused, or connections that were let in, since the line before of the same device
 * and destination; where `count` is 0, earlier ones went on. `left-out` stands for what no other line stands for, of one device as far as that is known.
 * Bytes are those of IP packets; of what was let in, of whole connections since the line before, in both directions.
 */
export type AuditLine =
  | {
      readonly event: 'connection';
      readonly verdict: 'denied' | 'accepted';
      readonly peer?: AuditedPeer | undefined;
      readonly from: string;
      readonly to: AuditedDestination;
      readonly protocol: string;
      readonly count: number;
      readonly bytes: number;
      /** Of what was let in: those of `bytes` that the device was sent. */
      readonly bytesToDevice?: number | undefined;
    }
  | {
      readonly event: 'left-out';
      readonly verdict: 'denied' | 'accepted';
      readonly peer?: AuditedPeer | undefined;
      /** The device's address; missing where nobody knows any more which devices it was. */
      readonly from?: string | undefined;
      readonly count: number;
      /** Of what was let in. */
      readonly bytes?: number | undefined;
    }
  | {
      readonly event: 'connected' | 'roamed';
      readonly peer: AuditedPeer;
      readonly endpoint?: string | undefined;
      readonly lastHandshake: string;
    }
  | { readonly event: 'idle'; readonly peer: AuditedPeer; readonly lastHandshake: string }
  | { readonly event: 'let-in'; readonly peer: AuditedPeer; readonly addresses: readonly string[] }
  | { readonly event: 'put-out'; readonly peer: AuditedPeer; readonly reason: PutOut; readonly by?: string | undefined }
  | {
      readonly event: 'admitted' | 'rejected';
      readonly peer: AuditedPeer;
      /** Of the condition Accepted. */
      readonly reason: string;
      /** The program that changed the MeshPeer last, by its managedFields. */
      readonly by?: string | undefined;
    };

/** Why a device is out. `Replaced`: another object has taken its name. */
export type PutOut = 'Deleted' | 'Suspended' | 'Expired' | 'Replaced' | 'NotAccepted';

/** The sentence of a line, which programs need not read. */
export function auditSentence(line: AuditLine): string {
  if (line.event === 'connection') return SENTENCES[line.count === 0 ? 'goes on' : line.verdict];
  return SENTENCES[line.event];
}

const SENTENCES = {
  denied: 'refused to a device what it dialled',
  accepted: 'let a device connect to what it dialled',
  'goes on': 'a device uses a connection that was let in',
  'left-out': 'more happened than has lines of its own',
  connected: 'a device has connected',
  roamed: 'a device has another address',
  idle: 'a device is silent',
  'let-in': 'a device may connect',
  'put-out': 'a device may not connect any more',
  admitted: 'the operator accepts a device',
  rejected: 'the operator refuses a device',
} as const;

/** A device as lines name it. */
export function auditedPeer({ metadata, spec }: MeshPeer): AuditedPeer {
  const { namespace = '', name } = metadata;
  return { namespace, name, ...(spec.owner === undefined ? {} : { owner: spec.owner }) };
}

import * as z from 'zod';

/** A grant is a grant, whoever writes it. */
const ACCESS_REASONS = {
  Accepted: ['Accepted', 'InvalidSpec', 'Expired'],
  Resolved: [
    'Resolved',
    'PartlyResolved',
    'NoMatchingPeers',
    'NoMatchingServices',
    'NoSuchPort',
    'NoClusterIP',
    'NoCommonFamily',
    'NotAdvertised',
    'NotAccepted',
  ],
  Enforced: ['Enforced', 'AllowedAnyway', 'NoGateway', 'NotAccepted'],
} as const;

/**
 * The closed vocabulary of conditions: for each kind, its condition types and the reasons each may give. A reason that is not
 * listed does not compile, and the reference documentation is generated from this table.
 */
export const REASONS = {
  MeshPeer: {
    Accepted: [
      'Accepted',
      'PartlyAccepted',
      'InvalidSpec',
      'Suspended',
      'Expired',
      'OwnerQuota',
      'InvalidKey',
      'DuplicateKey',
      'PresharedKeyNotFound',
      'PresharedKeyNotGranted',
      'PresharedKeyInvalid',
      'PresharedKeysExhausted',
      'AddressTaken',
      'AddressOutsidePool',
      'PoolExhausted',
      'GatewayNotFound',
      'NamespaceNotAdmitted',
      'NoGateway',
    ],
    Programmed: [
      'Programmed',
      'NotAccepted',
      'GatewayNotAccepted',
      'WaitingForNodes',
      'WaitingForPresharedKey',
      'NoReadyNode',
    ],
    Connected: ['Connected', 'NeverConnected', 'Idle', 'NotAccepted'],
    NextKeyInUse: ['InUse', 'NotInUse', 'Overdue', 'InvalidKey', 'DuplicateKey', 'NotAccepted'],
    UsesCurrentKey: ['CurrentKey', 'FormerKey', 'EndedKey'],
  },
  MeshGateway: {
    Accepted: [
      'Accepted',
      'InvalidSpec',
      'PoolOverlap',
      'AdvertiseOverlap',
      'AddressesExhausted',
      'ServiceCIDRUnknown',
      'NodesTaken',
      'InvalidKey',
      'InvalidEndpoint',
    ],
    Programmed: ['Programmed', 'NotAccepted', 'NoNodes', 'WaitingForNodes', 'NodesFailed'],
    ServicesReachable: ['ProbeSucceeded', 'ProbeFailed', 'NotProbed'],
    EndpointsFound: [
      'Found',
      'InvalidAnnotation',
      'InvalidAddress',
      'SecondPortUnknown',
      'ServiceRefused',
      'WaitingForService',
      'DNSNotServed',
      'DNSRefused',
      'NothingToPublish',
      'WaitingForDNS',
    ],
    ConnectionTracking: ['Enough', 'NearlyFull', 'NotObserved'],
    GrantsOpened: ['Opened', 'TooMany', 'NotObserved'],
    KeyApplied: [
      'Applied',
      'Rotating',
      'WaitingForNodes',
      'AnotherWaits',
      'SecretMissing',
      'SecretInvalid',
      'KeyTaken',
      'SecondPortUnknown',
      'RequestRefused',
    ],
    Ready: ['Ready', 'NotAccepted', 'NotProgrammed', 'NoEndpoint', 'NotProbed', 'ServicesUnreachable', 'CleaningUp'],
  },
  MeshAccess: ACCESS_REASONS,
  ClusterMeshAccess: ACCESS_REASONS,
  MeshGatewayNode: {
    InterfaceUp: [
      'KernelWireGuard',
      'UserspaceWireGuard',
      'WireGuardUnavailable',
      'KeyMismatch',
      'PortBusy',
      'ProgramMissing',
      'ApplyFailed',
    ],
    ForwardingEnabled: ['Enabled', 'SingleFamily', 'Disabled', 'ForeignFirewall', 'NotObserved'],
    Programmed: ['Programmed', 'ApplyFailed', 'ProgramMissing', 'Contested', 'WaitingForGateway', 'CleaningUp'],
    ServicesReachable: ['ProbeSucceeded', 'HandshakeFailed', 'DNSFailed', 'TCPFailed', 'NotProbed'],
    ConnectionTracking: ['Enough', 'NearlyFull', 'NotObserved'],
    GrantsOpened: ['Opened', 'TooMany', 'NotObserved'],
  },
} as const;

type Reasons = typeof REASONS;
/** A kind that has conditions. */
export type ConditionKind = keyof Reasons;
export type ConditionType<K extends ConditionKind> = keyof Reasons[K] & string;
export type Reason<
  K extends ConditionKind,
  T extends ConditionType<K>,
> = Reasons[K][T] extends readonly (infer R extends string)[] ? R : never;

export type ConditionStatus = 'True' | 'False' | 'Unknown';

/** metav1.Condition with the bounds that upstream sets. */
export const conditionSchema = z
  .object({
    type: z.string().max(316).describe('Which question this condition answers.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('The answer.'),
    reason: z.string().max(1024).describe('One word from a closed list that says why, for programs.'),
    message: z.string().max(32768).describe('A sentence that says why and what to do, for people.'),
    observedGeneration: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .describe('The metadata.generation that the answer is about.'),
    lastTransitionTime: z.string().max(64).meta({ format: 'date-time' }).describe('When the status last changed.'),
  })
  .describe('One answered question about this object.');

export const conditionsSchema = z
  .array(conditionSchema)
  .max(16)
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
  .describe('What is true of this object now, each with a reason and a sentence that says what to do.');

/** A condition as it is stored. */
export type Condition = Readonly<z.infer<typeof conditionSchema>>;

/** A condition as a decision makes it: without the time, which depends on what was stored before. */
export interface Verdict<K extends ConditionKind> {
  readonly type: ConditionType<K>;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
}

/** A verdict whose reason is checked by the compiler against the table above. */
export function verdict<K extends ConditionKind, T extends ConditionType<K>>(
  _kind: K,
  type: T,
  status: ConditionStatus,
  reason: Reason<K, T>,
  message: string,
): Verdict<K> {
  return { type, status, reason, message };
}

/** The stored form of verdicts; `lastTransitionTime` moves only where the status differs from what was stored. `now` is RFC 3339. */
export function conditionsFrom<K extends ConditionKind>(
  verdicts: readonly Verdict<K>[],
  before: readonly Condition[],
  observedGeneration: number,
  now: string,
): readonly Condition[] {
  return verdicts.map((next) => {
    const old = before.find((condition) => condition.type === next.type);
    const lastTransitionTime = old !== undefined && old.status === next.status ? old.lastTransitionTime : now;
    return { ...next, observedGeneration, lastTransitionTime };
  });
}

/** The condition of this type, if it was ever set. */
export function findCondition(conditions: readonly Condition[], type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

/** Whether the condition is there and True. */
export function isTrue(conditions: readonly Condition[], type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

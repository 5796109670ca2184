import { z } from 'zod';
import { LOW_ORDER_POINTS, PUBLIC_KEY_PATTERN } from '../net/key.ts';

/** A CEL rule of a CRD; `message` names the field and the remedy, because `kubectl apply` shows nothing else. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}

/** The metadata that carries CEL rules through zod into the CRD. */
export function cel(...rules: readonly CelRule[]): { 'x-kubernetes-validations': readonly CelRule[] } {
  return { 'x-kubernetes-validations': rules };
}

/** A column of `kubectl get`; columns with a priority above 0 show with `-o wide` only. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly description: string;
  readonly jsonPath: string;
  readonly priority?: number;
}

/** A column that shows one part of a condition. */
export function conditionColumn(
  name: string,
  condition: string,
  part: 'status' | 'reason' | 'message',
  description: string,
): PrinterColumn {
  return { name, type: 'string', description, jsonPath: `.status.conditions[?(@.type=="${condition}")].${part}` };
}

/** The column that every kind ends with. */
export const AGE_COLUMN: PrinterColumn = {
  name: 'Age',
  type: 'date',
  description: 'Since when the object exists.',
  jsonPath: '.metadata.creationTimestamp',
};

/** An address in its plain spelling: no leading zeros, no zone, no IPv4-mapped IPv6. */
export function addressField(field: string, description: string) {
  return z
    .string()
    .max(64)
    .meta(
      cel({
        rule: 'isIP(self)',
        message: `${field} must be an IP address without leading zeros, zone or prefix length, such as 10.213.0.20`,
      }),
    )
    .describe(description);
}

/** A prefix without host bits. */
export function cidrField(field: string, description: string) {
  return z
    .string()
    .max(64)
    .meta(
      cel(
        { rule: 'isCIDR(self)', message: `${field} must be a CIDR without leading zeros, such as 10.96.0.0/12` },
        {
          rule: '!isCIDR(self) || cidr(self) == cidr(self).masked()',
          message: `${field} must not have host bits set: write the network's first address, such as 10.96.0.0/12 instead of 10.96.1.2/12`,
        },
      ),
    )
    .describe(description);
}

/** A WireGuard public key; malformed keys and low-order points are refused. */
export function publicKeyField(field: string, description: string) {
  const points = LOW_ORDER_POINTS.map((point) => `'${point}'`).join(', ');
  return z
    .string()
    .max(64)
    .meta(
      cel(
        {
          rule: `self.matches('${PUBLIC_KEY_PATTERN}')`,
          message: `${field} must be a WireGuard public key: 44 characters of base64 ending in "=", as \`wg pubkey\` or \`sallyport key\` prints it`,
        },
        {
          rule: `!(self in [${points}])`,
          message: `${field} is a low-order point, with which no handshake is secret: generate a new key pair with \`sallyport key\` or \`wg genkey\``,
        },
      ),
    )
    .describe(description);
}

/** A DNS label (RFC 1123). */
export function labelField(field: string, description: string) {
  return z
    .string()
    .min(1)
    .max(63)
    .meta(
      cel({
        rule: "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
        message: `${field} must be lower-case letters, digits and "-", and start and end with a letter or digit`,
      }),
    )
    .describe(description);
}

/** Kubernetes' own label selector, as far as selectors of Sallyport go. */
export const labelSelectorSchema = z.object({
  matchLabels: z
    .record(z.string().max(317), z.string().max(63))
    .meta({ maxProperties: 32 })
    .optional()
    .describe('Labels that must be there with these values.'),
  matchExpressions: z
    .array(
      z
        .object({
          key: z.string().max(317).describe('The label.'),
          operator: z
            .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
            .describe('How the label is compared with the values.'),
          values: z.array(z.string().max(63)).max(32).optional().describe('For In and NotIn: the values.'),
        })
        .describe('One requirement on a label.'),
    )
    .max(16)
    .optional()
    .describe('Requirements that must all hold.'),
});

export type LabelSelector = Readonly<z.infer<typeof labelSelectorSchema>>;

import * as z from 'zod';
import { DNS_NAME_PATTERN, PORT_PATTERN } from '../net/endpoint.ts';
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

/** The name of an object that is named like a DNS subdomain (RFC 1123), such as a Secret. */
export function objectNameField(field: string, description: string) {
  return z
    .string()
    .min(1)
    .max(253)
    .meta(
      cel({
        rule: "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",
        message: `${field} must be the name of an object: lower-case letters, digits, "-" and ".", and each part starts and ends with a letter or digit`,
      }),
    )
    .describe(description);
}

/** Where to dial: a host name or an address, with or without a port. Accepts what `parseEndpoint` accepts. */
export function endpointField(field: string, description: string) {
  const bracketed = `(self.matches(r'^\\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\\](:${PORT_PATTERN})?$') && isIP(self.substring(1, self.indexOf(']'))))`;
  const numeric = `(self.matches(r'^[0-9.]+(:${PORT_PATTERN})?$') && isIP(self.split(':')[0]))`;
  const named = `(self.matches(r'^${DNS_NAME_PATTERN}(:${PORT_PATTERN})?$') && !self.matches(r'^[0-9.]+(:|$)') && self.split(':')[0].size() <= 253)`;
  return z
    .string()
    .max(260)
    .meta(
      cel({
        rule: `isIP(self) || ${bracketed} || ${numeric} || ${named}`,
        message: `${field} must be HOST, HOST:PORT, an IP address or [IPv6]:PORT, such as vpn.example.com:51840`,
      }),
    )
    .describe(description);
}

/** A DNS name. It ends up in a file that root reads on people's devices, so nothing else may pass. */
export function domainField(field: string, description: string) {
  return z
    .string()
    .max(253)
    .meta(
      cel({
        rule: `self.matches(r'^${DNS_NAME_PATTERN}$')`,
        message: `${field} must be a DNS name, such as cluster.local`,
      }),
    )
    .describe(description);
}

const TIME_PATTERN =
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$';

/**
 * A moment in RFC 3339. Not `format: date-time`, with which the API server lets through what no JavaScript Date can read, and says
 * nothing helpful about the rest.
 */
export function timeField(field: string, description: string) {
  return z
    .string()
    .max(64)
    .meta(
      cel(
        {
          rule: `self.matches(r'${TIME_PATTERN}')`,
          message: `${field} must be a time in RFC 3339 with a time zone, such as 2030-01-31T18:00:00Z`,
        },
        {
          rule: `!self.matches(r'${TIME_PATTERN}') || timestamp(self) >= timestamp('1970-01-01T00:00:00Z')`,
          message: `${field} must be a day of the calendar after 1970, such as 2030-01-31T18:00:00Z`,
        },
      ),
    )
    .describe(description);
}

const LABEL_KEY_PATTERN = '^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$';
const LABEL_VALUE_PATTERN = '^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$';

/** The rule that the keys of a map are what Kubernetes takes for labels and annotations. */
function keyRule(field: string): CelRule {
  return {
    rule: `self.all(key, key.size() <= 317 && key.matches(r'${LABEL_KEY_PATTERN}'))`,
    message: `${field} has a key that Kubernetes does not allow: write NAME or PREFIX/NAME, such as example.com/role, the name at most 63 letters, digits, "-", "_" and "."`,
  };
}

/** A map of annotations. */
export function annotationsField(field: string, description: string) {
  return z
    .record(z.string().max(317), z.string().max(4096))
    .meta({ maxProperties: 32, ...cel(keyRule(field)) })
    .describe(description);
}

/** A map of labels. */
export function labelsField(field: string, description: string) {
  const values: CelRule = {
    rule: `self.all(key, self[key].matches(r'${LABEL_VALUE_PATTERN}'))`,
    message: `${field} has a value that no label can have: at most 63 letters, digits, "-", "_" and ".", starting and ending with a letter or digit`,
  };
  return z
    .record(z.string().max(317), z.string().max(63))
    .meta({ maxProperties: 32, ...cel(keyRule(field), values) })
    .describe(description);
}

const requirementSchema = z
  .object({
    key: z.string().min(1).max(317).describe('The label.'),
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('How the label is compared with the values.'),
    values: z.array(z.string().max(63)).max(32).optional().describe('For In and NotIn: the values.'),
  })
  .meta(
    cel({
      rule: "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
      message:
        'matchExpressions[].values belongs to the operators In and NotIn: name at least one value there, none elsewhere',
    }),
  )
  .describe('One requirement on a label.');

/** Kubernetes' own label selector, as far as selectors of Sallyport go. */
export function labelSelectorField(field: string, description: string) {
  return z
    .object({
      matchLabels: labelsField(`${field}.matchLabels`, 'Labels that must be there with these values.').optional(),
      matchExpressions: z.array(requirementSchema).max(16).optional().describe('Requirements that must all hold.'),
    })
    .describe(description);
}

export type LabelSelector = Readonly<z.infer<ReturnType<typeof labelSelectorField>>>;

const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 };

/** Milliseconds of what a `durationField` holds. */
export function durationMs(text: string): number {
  const [, count = '0', unit = 's'] = /^(\d+)([dhms])$/.exec(text) ?? [];
  return Number(count) * (UNITS[unit] ?? 0);
}

/** A length of time: a whole number and d, h, m or s. */
export function durationField(field: string, description: string) {
  return z
    .string()
    .max(8)
    .meta(
      cel({
        rule: "self.matches('^[0-9]{1,5}[dhms]$')",
        message: `${field} must be a whole number with d, h, m or s, such as 7d or 12h`,
      }),
    )
    .describe(description);
}

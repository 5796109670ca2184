import { parse, YAMLParseError } from 'yaml';
import * as z from 'zod';
import { DEFAULT_POOL } from '../api/names.ts';
import { type Cidr, cidrFamily, cidrLength, cidrsOverlap, parseCidr } from '../net/cidr.ts';
import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { AGENT_HEALTH_PORT } from './agent-pod.ts';

/** Where the chart mounts the operator's configuration. */
export const OPERATOR_CONFIG_FILE = '/etc/sallyport/operator.yaml';

/** Pools from which every gateway and the probe get their 16 addresses and still leave room; wider ones swallow networks that people use. */
const POOL_LENGTHS = { 4: { widest: 8, narrowest: 24 }, 6: { widest: 48, narrowest: 112 } } as const;

/** Ranges that no device may hold an address of: the kernel treats them specially whatever the routes say. */
const NOT_UNICAST = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/8',
  'fe80::/10',
  'ff00::/8',
] as readonly string[] as readonly Cidr[];

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

const poolEntrySchema = z.string().transform((text, context) => {
  const pool = parsePool(text);
  if (pool.ok) return pool.value;
  context.addIssue({ code: 'custom', message: pool.problem });
  return z.NEVER;
});

const poolSchema = z
  .array(poolEntrySchema)
  .min(1, `name at least one CIDR, such as ${DEFAULT_POOL}`)
  .refine((pools) => new Set(pools.map(cidrFamily)).size === pools.length, {
    message: 'has two CIDRs of one family: keep at most one IPv4 and one IPv6 CIDR',
  });

const textMapSchema = z.record(z.string(), z.string());

/** Amounts as Kubernetes spells them (`64Mi`, `20m`); YAML reads a bare `1` as a number, which means the same. */
const quantitiesSchema = z.record(z.string(), z.union([z.string(), z.number()]).transform(String));

/** Where operator and agents are asked for their metrics, unless values say otherwise; beside the port of an agent's health. */
const METRICS_PORT = 9842;

/** What an agent's metrics are answered to by default: what is no public address. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'] as string[] as Cidr[];

const sourceSchema = z.string().transform((text, context) => {
  const cidr = parseCidr(text);
  if (cidr.ok) return cidr.value;
  context.addIssue({ code: 'custom', message: cidr.problem });
  return z.NEVER;
});

const DEFAULT_AGENT_RESOURCES = { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '1Gi' } };

/** Where the operator's pods answer their kubelets. */
export const OPERATOR_HEALTH_PORT = 8081;

const HEALTH_PORTS: Readonly<Record<number, string>> = {
  [OPERATOR_HEALTH_PORT]: "the operator's health",
  [AGENT_HEALTH_PORT]: "the agents' health",
};

/** One value is for operator and agents, so it must suit both. */
const metricsPortSchema = z
  .int()
  .max(65535)
  .default(METRICS_PORT)
  .superRefine((port, context) => {
    const health = HEALTH_PORTS[port];
    const problem =
      health === undefined ? 'needs a right that no program of Sallyport has' : `is the port of ${health}`;
    if (health === undefined && port >= 1024) return;
    const message = `${port} ${problem}; take another one from 1024 on, such as ${METRICS_PORT}`;
    context.addIssue({ code: 'custom', message });
  });

const agentSchema = z.strictObject({
  image: z.string().min(1, "name the agents' image, such as example.com/sallyport:0.1.0"),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
  imagePullSecrets: z.array(z.string().min(1)).default([]),
  serviceAccountName: z.string().min(1).default('sallyport-agent'),
  resources: z
    .strictObject({ requests: quantitiesSchema.optional(), limits: quantitiesSchema.optional() })
    .default(DEFAULT_AGENT_RESOURCES),
  priorityClassName: z.string().default('system-node-critical'),
  logLevel: z.enum(LOG_LEVELS).default('info'),
  podAnnotations: textMapSchema.default({}),
  podLabels: textMapSchema.default({}),
  metrics: z
    .strictObject({
      listen: z.enum(['None', 'Loopback', 'Node']).default('Loopback'),
      port: metricsPortSchema,
      devices: z.int().min(0).max(10_000).default(0),
      sources: z.array(sourceSchema).default(PRIVATE),
    })
    .prefault({}),
});

const SECONDS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;

/** Milliseconds; infinity for never. */
const deleteAfterSchema = z
  .string()
  .default('24h')
  .transform((text, context) => {
    if (text === 'never') return Number.POSITIVE_INFINITY;
    const [, count, unit] = /^([0-9]{1,5})([dhms])$/.exec(text) ?? [];
    if (count !== undefined) return Number(count) * SECONDS[unit as keyof typeof SECONDS] * 1_000;
    context.addIssue({ code: 'custom', message: `"${text}" is not a time such as 24h, 30m or 7d, nor never` });
    return z.NEVER;
  });

/** Infinity for 0, which in a file of values means none. */
const peersPerOwnerSchema = z
  .int()
  .min(0)
  .default(0)
  .transform((most) => (most === 0 ? Number.POSITIVE_INFINITY : most));

const operatorConfigSchema = z.strictObject({
  pool: poolSchema.default([DEFAULT_POOL as Cidr]),
  logLevel: z.enum(LOG_LEVELS).default('info'),
  expiredPeers: z.strictObject({ deleteAfter: deleteAfterSchema }).prefault({}),
  metrics: z.strictObject({ enabled: z.boolean().default(true), port: metricsPortSchema }).prefault({}),
  quotas: z.strictObject({ peersPerOwner: peersPerOwnerSchema }).prefault({}),
  agent: agentSchema,
});

/** What the chart's values tell the operator. `pool` holds at most one prefix of each family. */
export type OperatorConfig = Readonly<z.infer<typeof operatorConfigSchema>>;
export type AgentConfig = OperatorConfig['agent'];

/** The configuration in a YAML text, or one line for each field that is wrong, with what to write instead. */
export function parseOperatorConfig(text: string): Parsed<OperatorConfig> {
  const document = parseYaml(text);
  if (!document.ok) return document;
  const result = operatorConfigSchema.safeParse(document.value ?? {});
  return result.success ? parsed(result.data) : refused(result.error.issues.map(issueLine).join('\n'));
}

function parseYaml(text: string): Parsed<unknown> {
  try {
    return parsed(parse(text, { stringKeys: true }) as unknown);
  } catch (error) {
    // Of an alias without an anchor, or of too many of them, the parser throws a ReferenceError.
    if (error instanceof YAMLParseError || error instanceof ReferenceError)
      return refused(`the file is not YAML: ${error.message}`);
    throw error;
  }
}

function parsePool(text: string): Parsed<Cidr> {
  const cidr = parseCidr(text);
  if (!cidr.ok) return cidr;
  const { widest, narrowest } = POOL_LENGTHS[cidrFamily(cidr.value)];
  const length = cidrLength(cidr.value);
  if (length < widest || length > narrowest) {
    return refused(`"${text}" must have a prefix length from /${widest} to /${narrowest}`);
  }
  const special = NOT_UNICAST.find((range) => cidrsOverlap(range, cidr.value));
  if (special !== undefined) {
    return refused(
      `"${text}" overlaps ${special}, which devices cannot use; take a private range such as ${DEFAULT_POOL}`,
    );
  }
  return cidr;
}

function issueLine(issue: z.core.$ZodIssue): string {
  const field = issue.path.reduce<string>(
    (path, part) =>
      typeof part === 'number' ? `${path}[${part}]` : path === '' ? String(part) : `${path}.${String(part)}`,
    '',
  );
  return field === '' ? issue.message : `${field}: ${issue.message}`;
}

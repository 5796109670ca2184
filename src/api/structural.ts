import * as z from 'zod';
import type { CelRule } from './fields.ts';

/** The part of OpenAPI v3 that Kubernetes accepts in a CustomResourceDefinition and that Sallyport uses: a "structural schema". */
export interface StructuralSchema {
  readonly description?: string;
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

/** Every keyword of a structural schema, in the order in which it is printed. */
const KEYWORDS = [
  'description',
  'type',
  'format',
  'default',
  'enum',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'maxProperties',
  'required',
  'properties',
  'additionalProperties',
  'items',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
] as const satisfies readonly (keyof StructuralSchema)[];

const TYPES: readonly unknown[] = ['object', 'array', 'string', 'integer', 'boolean'];

/**
 * What the API server must be told about a zod schema: what people write, before defaults are filled in.
 * @throws {Error} naming the place when the schema has something that no structural schema can say, such as a union.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', unrepresentable: 'any' });
  return fromJson(json, '');
}

/** The schema with this change to the field at the end of the path. @throws {Error} when there is no such field. */
export function changeField(
  schema: StructuralSchema,
  path: readonly string[],
  change: (field: StructuralSchema) => StructuralSchema,
): StructuralSchema {
  const [name, ...rest] = path;
  if (name === undefined) return change(schema);
  const field = schema.properties?.[name];
  if (field === undefined) throw new Error(`the schema has no field ${name}`);
  return { ...schema, properties: { ...schema.properties, [name]: changeField(field, rest, change) } };
}

/** The schema with further CEL rules after those it has. */
export function addRules(schema: StructuralSchema, rules: readonly CelRule[]): StructuralSchema {
  if (rules.length === 0) return schema;
  return { ...schema, 'x-kubernetes-validations': [...(schema['x-kubernetes-validations'] ?? []), ...rules] };
}

function fromJson(json: unknown, path: string): StructuralSchema {
  const source = json as Readonly<Record<string, unknown>>;
  if (!TYPES.includes(source.type)) throw new Error(`${path || 'the schema'} has no type that a CRD can have`);
  const alien = Object.keys(source).find((key) => !(KEYWORDS as readonly string[]).includes(key));
  if (alien !== undefined) throw new Error(`${path || 'the schema'} has "${alien}", which no CRD can have`);
  const converted: Record<string, unknown> = { ...source, ...integerFormat(source), ...children(source, path) };
  const ordered = KEYWORDS.filter((key) => converted[key] !== undefined).map((key) => [key, converted[key]]);
  return Object.fromEntries(ordered) as StructuralSchema;
}

function children(source: Readonly<Record<string, unknown>>, path: string): Partial<StructuralSchema> {
  const { properties, items, additionalProperties } = source;
  return {
    ...(properties !== undefined && { properties: eachProperty(properties, path) }),
    ...(items !== undefined && { items: fromJson(items, `${path}[]`) }),
    ...(additionalProperties !== undefined && { additionalProperties: fromJson(additionalProperties, `${path}{}`) }),
  };
}

function eachProperty(properties: unknown, path: string): Readonly<Record<string, StructuralSchema>> {
  return Object.fromEntries(
    Object.entries(properties as object).map(([name, value]) => [name, fromJson(value, `${path}.${name}`)]),
  );
}

/** Go reads an integer without a format as int64; saying it lets other clients choose the right width. */
function integerFormat(source: Readonly<Record<string, unknown>>): Partial<StructuralSchema> {
  if (source.type !== 'integer') return {};
  return { format: Number(source.maximum) < 2 ** 31 ? 'int32' : 'int64' };
}

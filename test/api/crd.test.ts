import { describe, expect, test } from 'vitest';
import { type ConditionKind, REASONS } from '../../src/api/conditions.ts';
import { type CustomResourceDefinition, crds, DEFAULT_POOL_FAMILIES } from '../../src/api/crd.ts';
import type { StructuralSchema } from '../../src/api/structural.ts';

interface Place {
  readonly path: string;
  readonly schema: StructuralSchema;
}

const CRDS = crds(DEFAULT_POOL_FAMILIES);
const PLACES = CRDS.flatMap((crd) => places(schemaOf(crd), crd.spec.names.kind));

function schemaOf(crd: CustomResourceDefinition): StructuralSchema {
  const [version] = crd.spec.versions;
  if (version === undefined) throw new Error(`${crd.metadata.name} has no version`);
  return version.schema.openAPIV3Schema;
}

/** A schema and everything below it. The metadata are Kubernetes' own. */
function places(schema: StructuralSchema, path: string): readonly Place[] {
  const below = [
    ...Object.entries(schema.properties ?? {})
      .filter(([name]) => name !== 'metadata')
      .map(([name, inner]) => [inner, `${path}.${name}`] as const),
    ...(schema.items === undefined ? [] : [[schema.items, `${path}[]`] as const]),
    ...(schema.additionalProperties === undefined ? [] : [[schema.additionalProperties, `${path}{}`] as const]),
  ];
  return [{ path, schema }, ...below.flatMap(([inner, innerPath]) => places(inner, innerPath))];
}

describe('every field', () => {
  test('has a description that is a sentence', () => {
    const fields = PLACES.filter(({ path }) => !/(\[\]|\{\})$/.test(path));
    expect(fields.length).toBeGreaterThan(80);
    expect(
      fields.filter(({ schema }) => !/^[A-Z`].*\.$/s.test(schema.description ?? '')).map(({ path }) => path),
    ).toEqual([]);
  });

  test('has a limit', () => {
    expect(PLACES.filter(({ schema }) => !isLimited(schema)).map(({ path }) => path)).toEqual([]);
  });

  test('has a default that fits it', () => {
    const wrong = PLACES.filter(({ schema }) => schema.default !== undefined && !fits(schema.default, schema));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

function isLimited(schema: StructuralSchema): boolean {
  if (schema.type === 'string') return schema.enum !== undefined || schema.maxLength !== undefined;
  if (schema.type === 'array') return schema.maxItems !== undefined && schema.items !== undefined;
  if (schema.type === 'integer') return schema.minimum !== undefined && schema.maximum !== undefined;
  if (schema.type === 'boolean') return true;
  return schema.properties !== undefined || schema.maxProperties !== undefined;
}

function fits(value: unknown, schema: StructuralSchema): boolean {
  if (schema.type === 'array') return Array.isArray(value);
  if (schema.type === 'integer') return Number.isInteger(value);
  if (schema.enum !== undefined) return schema.enum.includes(String(value));
  return typeof value === schema.type;
}

describe('every rule', () => {
  const rules = PLACES.flatMap(({ path, schema }) =>
    (schema['x-kubernetes-validations'] ?? []).map((rule) => ({ path, ...rule })),
  );

  test('names the field that it is about, in one line, and leaves the full stop to others', () => {
    expect(rules.length).toBeGreaterThan(20);
    for (const { path, message } of rules) {
      const field = path.replace(/\[\]$/, '').split('.').at(-1) ?? '';
      expect(message).toContain(path.includes('.') ? field : 'metadata.name');
      expect(message).not.toMatch(/\n|\.$/);
      expect(message.length).toBeLessThanOrEqual(300);
    }
  });

  test('is there once', () => {
    const keys = rules.map(({ path, rule }) => `${path} ${rule}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe.each(CRDS)('$metadata.name', (crd) => {
  const [version] = crd.spec.versions;
  const { names } = crd.spec;

  test('has one version, stored and served, with a status of its own', () => {
    expect(crd.spec.versions).toHaveLength(1);
    expect(version).toMatchObject({ name: 'v1alpha1', served: true, storage: true, subresources: { status: {} } });
    // Its only value is the default, which is never stored: an apply of it conflicts with every apply before.
    expect(crd.spec).not.toHaveProperty('preserveUnknownFields');
    expect(JSON.stringify(crd)).not.toContain('x-kubernetes-preserve-unknown-fields');
  });

  test('can be asked for by a short name that other projects do not have', () => {
    expect(names.categories).toEqual(['sallyport']);
    expect(names.shortNames).toEqual([expect.stringMatching(/^sp/)]);
  });

  test('its columns show fields and conditions that exist, and end with the age', () => {
    const columns = version?.additionalPrinterColumns ?? [];
    expect(columns.at(-1)?.jsonPath).toBe('.metadata.creationTimestamp');
    expect(new Set(columns.map(({ name }) => name)).size).toBe(columns.length);
    for (const { jsonPath } of columns.slice(0, -1)) {
      const condition = /@\.type=="(\w+)"/.exec(jsonPath)?.[1];
      if (condition !== undefined) expect(Object.keys(REASONS[names.kind as ConditionKind])).toContain(condition);
      else expect(PLACES.map(({ path }) => path)).toContain(`${names.kind}${jsonPath.replaceAll('[0]', '[]')}`);
    }
  });

  test('has no phase', () => {
    expect(PLACES.filter(({ path }) => path === `${names.kind}.status.phase`)).toEqual([]);
  });
});

describe('the families of the pool', () => {
  const rulesFor = (...families: readonly (4 | 6)[]) => {
    const peers = crds(families).find(({ spec }) => spec.names.kind === 'MeshPeer');
    const schema = peers === undefined ? undefined : schemaOf(peers).properties?.spec?.properties?.addresses;
    return (schema?.['x-kubernetes-validations'] ?? []).filter(({ rule }) => /family\(\) == [46]/.test(rule));
  };

  test('a pool of one family refuses addresses of the other', () => {
    expect(rulesFor(4)).toEqual([
      { rule: expect.stringContaining('== 4'), message: expect.stringContaining('the mesh pool has no IPv6 range') },
    ]);
    expect(rulesFor(6)).toEqual([
      { rule: expect.stringContaining('== 6'), message: expect.stringContaining('the mesh pool has no IPv4 range') },
    ]);
  });

  test('a pool of both refuses neither; no pool is a fault of the program', () => {
    expect(rulesFor(4, 6)).toEqual([]);
    expect(() => crds([])).toThrow(RangeError);
  });
});

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { addRules, changeField, type StructuralSchema, structuralSchema } from '../../src/api/structural.ts';

describe('structuralSchema', () => {
  test('says what people may write, in a fixed order', () => {
    const schema = z.object({
      port: z.int().min(1).max(65_535).default(80).describe('A port.'),
      names: z.array(z.string().max(10)).max(3).meta({ 'x-kubernetes-list-type': 'set' }).optional(),
      labels: z.record(z.string().max(5), z.string().max(6)).meta({ maxProperties: 2 }),
      size: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
      mode: z.enum(['A', 'B']),
    });
    expect(structuralSchema(schema)).toEqual({
      type: 'object',
      required: ['labels', 'size', 'mode'],
      properties: {
        port: { description: 'A port.', type: 'integer', format: 'int32', default: 80, minimum: 1, maximum: 65_535 },
        names: {
          type: 'array',
          maxItems: 3,
          items: { type: 'string', maxLength: 10 },
          'x-kubernetes-list-type': 'set',
        },
        labels: { type: 'object', maxProperties: 2, additionalProperties: { type: 'string', maxLength: 6 } },
        size: { type: 'integer', format: 'int64', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
        mode: { type: 'string', enum: ['A', 'B'] },
      },
    });
    const port = structuralSchema(schema).properties?.port ?? {};
    expect(Object.keys(port)).toEqual(['description', 'type', 'format', 'default', 'minimum', 'maximum']);
  });

  test.each([
    ['a union', z.union([z.string(), z.int()])],
    ['a discriminated union', z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') })])],
    ['anything', z.any()],
    ['a fraction', z.number()],
    ['base64', z.base64()],
    ['nothing else', z.strictObject({ a: z.string() })],
  ])('%s is refused with the place', (_name, schema) => {
    expect(() => structuralSchema(z.object({ inside: z.object({ here: schema }) }))).toThrow('.inside.here');
  });
});

describe('changes', () => {
  const schema: StructuralSchema = {
    type: 'object',
    properties: { a: { type: 'object', properties: { b: { type: 'string' } } } },
  };
  const rule = { rule: 'true', message: 'never' };

  test('a field is changed where it stands, and nothing else', () => {
    const changed = changeField(schema, ['a', 'b'], (field) => addRules(field, [rule]));
    expect(changed).toEqual({
      type: 'object',
      properties: { a: { type: 'object', properties: { b: { type: 'string', 'x-kubernetes-validations': [rule] } } } },
    });
    expect(addRules(schema, [])).toBe(schema);
  });

  test('a field that is not there throws', () => {
    expect(() => changeField(schema, ['a', 'c'], (field) => field)).toThrow('no field c');
  });
});

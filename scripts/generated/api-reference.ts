import { type ConditionKind, REASONS } from '../../src/api/conditions.ts';
import type { CustomResourceDefinition } from '../../src/api/crd.ts';
import type { CelRule } from '../../src/api/fields.ts';
import { API_VERSION } from '../../src/api/names.ts';
import { REASON_TEXTS } from '../../src/api/reasons.ts';
import type { StructuralSchema } from '../../src/api/structural.ts';

/** The reference of every kind, field, condition and reason, in Markdown. */
export function apiReference(crds: readonly CustomResourceDefinition[]): string {
  return [
    '<!-- Printed from src/api by `npm run update`. -->',
    `# API reference: \`${API_VERSION}\``,
    'The same texts as in `kubectl explain`. The API server refuses what breaks a rule, with a message that names the field and the remedy; what it cannot see becomes a condition.',
    ...crds.flatMap(kindSection),
  ]
    .join('\n\n')
    .concat('\n');
}

function kindSection(crd: CustomResourceDefinition): readonly string[] {
  const { names, scope, versions } = crd.spec;
  const schema = versions[0]?.schema.openAPIV3Schema;
  if (schema === undefined) throw new Error(`${names.kind} has no version`);
  const place = scope === 'Cluster' ? 'Cluster-scoped' : 'Namespaced';
  return [
    `## ${names.kind}`,
    `${schema.description}`,
    `${place}. \`kubectl get ${names.plural}\`, or \`${names.shortNames.join('`, `')}\` where another project has a kind of this name.`,
    ...ruleList(schema),
    ...(['spec', 'status'] as const).flatMap((part) => partSection(names.kind, part, schema.properties?.[part])),
    ...conditionSections(names.kind as ConditionKind),
  ];
}

function partSection(kind: string, part: string, schema: StructuralSchema | undefined): readonly string[] {
  if (schema === undefined) return [];
  const rows = fields(schema, part).map(({ path, field, required }) => {
    const texts = [`${field.description ?? ''}${required ? ' **Required.**' : ''}`, ...ruleTexts(field)];
    return row([`\`${path}\``, typeText(field), defaultText(field), texts.join('<br>')]);
  });
  return [
    `### ${kind} ${part}`,
    [row(['Field', 'Type', 'Default', 'Meaning']), row(['---', '---', '---', '---']), ...rows].join('\n'),
  ];
}

interface Field {
  readonly path: string;
  readonly field: StructuralSchema;
  readonly required: boolean;
}

/** Every field below a schema, parents before children, as one reads them in YAML. */
function fields(schema: StructuralSchema, path: string): readonly Field[] {
  const inside = schema.items ?? schema;
  const prefix = schema.items === undefined ? path : `${path}[]`;
  return Object.entries(inside.properties ?? {}).flatMap(([name, field]) => {
    const own = { path: `${prefix}.${name}`, field, required: inside.required?.includes(name) ?? false };
    // Conditions are alike everywhere and have a table of their own.
    return name === 'conditions' ? [own] : [own, ...fields(field, own.path)];
  });
}

function typeText(field: StructuralSchema): string {
  if (field.enum !== undefined) return field.enum.map((value) => `\`${value}\``).join(', ');
  if (field.items !== undefined) return `list of ${typeText(field.items)}, at most ${field.maxItems}`;
  if (field.additionalProperties !== undefined)
    return `map of ${typeText(field.additionalProperties)}, at most ${field.maxProperties}`;
  if (field.type === 'integer') return `integer ${rangeText(field)}`;
  return field.format === 'date-time' ? 'time' : field.type;
}

function rangeText({ minimum = 0, maximum = 0 }: StructuralSchema): string {
  return maximum >= Number.MAX_SAFE_INTEGER ? `from ${minimum}` : `${minimum} to ${maximum}`;
}

function defaultText(field: StructuralSchema): string {
  const isTree = field.properties !== undefined;
  return field.default === undefined || isTree ? '' : `\`${JSON.stringify(field.default)}\``;
}

function ruleList(schema: StructuralSchema): readonly string[] {
  const texts = ruleTexts(schema);
  return texts.length === 0 ? [] : [texts.map((text) => `- ${text}`).join('\n')];
}

function ruleTexts(field: StructuralSchema): readonly string[] {
  const rules: readonly CelRule[] = [
    ...(field['x-kubernetes-validations'] ?? []),
    ...(field.items?.['x-kubernetes-validations'] ?? []),
  ];
  return rules.map(({ message }) => `Rule: ${message}.`);
}

function conditionSections(kind: ConditionKind): readonly string[] {
  const rows = Object.entries(REASONS[kind]).flatMap(([type, reasons]: [string, readonly string[]]) => {
    const text = (
      REASON_TEXTS[kind] as Readonly<
        Record<string, { readonly question: string; readonly reasons: Readonly<Record<string, string>> }>
      >
    )[type];
    return reasons.map((reason, index) =>
      row([index === 0 ? `**${type}**<br>${text?.question}` : '', `\`${reason}\``, text?.reasons[reason] ?? '']),
    );
  });
  return [
    `### ${kind} conditions`,
    [row(['Condition', 'Reason', 'What it means, what to do']), row(['---', '---', '---']), ...rows].join('\n'),
  ];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

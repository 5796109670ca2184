import type { z } from 'zod';
import type { Family } from '../net/address.ts';
import { clusterMeshAccessColumns, clusterMeshAccessSchema, clusterMeshAccessType } from './clustermeshaccess.ts';
import type { PrinterColumn } from './columns.ts';
import type { CelRule } from './fields.ts';
import { meshAccessColumns, meshAccessSchema, meshAccessType } from './meshaccess.ts';
import { meshGatewayColumns, meshGatewayRules, meshGatewaySchema, meshGatewayType } from './meshgateway.ts';
import { meshGatewayNodeColumns, meshGatewayNodeSchema, meshGatewayNodeType } from './meshgatewaynode.ts';
import { meshPeerColumns, meshPeerSchema, meshPeerType } from './meshpeer.ts';
import { NAME_LABEL } from './names.ts';
import type { KubernetesObject, ResourceType } from './resource.ts';
import { addRules, changeField, type StructuralSchema, structuralSchema } from './structural.ts';

/** A CustomResourceDefinition (apiextensions.k8s.io/v1) as Sallyport writes it. */
export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly names: CrdNames;
    readonly scope: 'Namespaced' | 'Cluster';
    readonly versions: readonly CrdVersion[];
  };
}

export interface CrdNames {
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
}

export interface CrdVersion {
  readonly name: string;
  readonly served: true;
  readonly storage: true;
  readonly additionalPrinterColumns: readonly PrinterColumn[];
  readonly schema: { readonly openAPIV3Schema: StructuralSchema };
  readonly subresources: { readonly status: Readonly<Record<string, never>> };
}

/** A resource's zod schema, whose head is every object's and whose other fields are its own. */
type ObjectSchema = z.ZodObject<{
  apiVersion: z.ZodType;
  kind: z.ZodType;
  metadata: z.ZodType;
  spec: z.ZodType;
  status: z.ZodType;
}>;

interface Kind {
  readonly type: ResourceType<KubernetesObject>;
  readonly schema: ObjectSchema;
  /** Other projects have kinds of the same names, so the short names are what is never ambiguous. */
  readonly shortName: string;
  readonly columns: readonly PrinterColumn[];
  readonly rules: readonly CelRule[];
}

const KINDS: readonly Kind[] = [
  {
    type: meshGatewayType,
    schema: meshGatewaySchema,
    shortName: 'spgw',
    columns: meshGatewayColumns,
    rules: meshGatewayRules,
  },
  { type: meshPeerType, schema: meshPeerSchema, shortName: 'sppeer', columns: meshPeerColumns, rules: [] },
  {
    type: meshAccessType,
    schema: meshAccessSchema,
    shortName: 'spaccess',
    columns: meshAccessColumns,
    rules: [],
  },
  {
    type: clusterMeshAccessType,
    schema: clusterMeshAccessSchema,
    shortName: 'spclusteraccess',
    columns: clusterMeshAccessColumns,
    rules: [],
  },
  {
    type: meshGatewayNodeType,
    schema: meshGatewayNodeSchema,
    shortName: 'spnode',
    columns: meshGatewayNodeColumns,
    rules: [],
  },
];

/** A kind with its schema as every pool has it, which takes some milliseconds to make. */
interface PrintedKind extends Kind {
  readonly whole: StructuralSchema;
}

/** What the API server itself checks; a CRD may not say more about it. */
const IMPLIED: Readonly<Record<string, StructuralSchema>> = {
  apiVersion: { description: 'The version of this schema: sallyport.dev/v1alpha1.', type: 'string', maxLength: 253 },
  kind: { description: 'What this object is.', type: 'string', maxLength: 63 },
  metadata: { type: 'object' },
};

const PRINTED: readonly PrintedKind[] = KINDS.map((kind) => ({ ...kind, whole: wholeSchema(kind) }));

/** The families of the default mesh pool, for which the CRDs in the repository are printed. */
export const DEFAULT_POOL_FAMILIES: readonly Family[] = [4];

/**
 * The CustomResourceDefinitions of all three kinds. They depend on the families of the mesh pool, because an address of a family
 * that the pool does not have is refused at `kubectl apply`.
 */
export function crds(poolFamilies: readonly Family[]): readonly CustomResourceDefinition[] {
  return PRINTED.map((kind) => crd(kind, poolFamilies));
}

function crd(kind: PrintedKind, poolFamilies: readonly Family[]): CustomResourceDefinition {
  const { group, plural, namespaced, version } = kind.type;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { [NAME_LABEL]: 'sallyport' } },
    spec: {
      group,
      names: names(kind),
      scope: namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: kind.columns,
          schema: { openAPIV3Schema: objectSchema(kind, poolFamilies) },
          subresources: { status: {} },
        },
      ],
    },
  };
}

function names({ type, shortName }: Kind): CrdNames {
  return {
    kind: type.kind,
    listKind: `${type.kind}List`,
    plural: type.plural,
    singular: type.kind.toLowerCase(),
    shortNames: [shortName],
    categories: ['sallyport'],
  };
}

function objectSchema(kind: PrintedKind, poolFamilies: readonly Family[]): StructuralSchema {
  if (kind.type !== meshPeerType) return kind.whole;
  return changeField(kind.whole, ['spec', 'addresses'], (field) => addRules(field, familyRules(poolFamilies)));
}

function wholeSchema(kind: Kind): StructuralSchema {
  const { required = [], properties } = structuralSchema(kind.schema.pick({ spec: true, status: true }));
  const whole: StructuralSchema = {
    ...(kind.schema.description !== undefined && { description: kind.schema.description }),
    type: 'object',
    ...(required.length > 0 && { required }),
    properties: { ...IMPLIED, ...properties },
  };
  return addRules(whole, kind.rules);
}

function familyRules(poolFamilies: readonly Family[]): readonly CelRule[] {
  const [only, other] = poolFamilies;
  if (only === undefined) throw new RangeError('a mesh pool has at least one family');
  if (other !== undefined) return [];
  const missing = only === 4 ? 6 : 4;
  return [
    {
      rule: `self.all(a, !isIP(a) || ip(a).family() == ${only})`,
      message: `spec.addresses may hold an IPv${only} address only, because the mesh pool has no IPv${missing} range: leave the IPv${missing} address out, or have an IPv${missing} range added to pool.cidrs in the chart's values`,
    },
  ];
}

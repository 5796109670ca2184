import * as z from 'zod';
import { type CustomResourceDefinition, crds } from '../api/crd.ts';
import { type KubernetesObject, objectMetaSchema, type ResourceType } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import { type Cidr, cidrFamily } from '../net/cidr.ts';

const crdSchema = z.object({ apiVersion: z.string(), kind: z.string(), metadata: objectMetaSchema });

const crdType: ResourceType<KubernetesObject> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
  parse: (raw) => crdSchema.parse(raw),
};

/** Helm 4 installs CRDs by server-side apply, so fields that anybody else owned would keep it from installing another version. */
const HELM = 'helm';

/**
 * Brings the CRDs to this program's own version, with the rules for its own pool. Helm installs CRDs once and never again, so the
 * operator's leader is who upgrades them; the last leader after a rollout is a new one, so the new version stays.
 */
export async function applyCrds(client: Client, pool: readonly Cidr[]): Promise<void> {
  for (const crd of crds(pool.map(cidrFamily)) as readonly CustomResourceDefinition[]) {
    await client.apply(crdType, crd, { fieldManager: HELM });
  }
}

import type { KubernetesObject, ResourceType } from '../../../src/api/resource.ts';

/** A custom resource with a status subresource. */
export interface Widget extends KubernetesObject {
  readonly spec?: { readonly size?: number; readonly colour?: string };
  readonly status?: { readonly ready?: boolean; readonly seen?: string };
}

export const widgetType: ResourceType<Widget> = {
  group: 'contract.sallyport.dev',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  namespaced: true,
  parse: (raw) => raw as Widget,
};

/** The CustomResourceDefinition of `widgetType`, for a server that needs one. */
export const widgetDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${widgetType.plural}.${widgetType.group}` },
  spec: {
    group: widgetType.group,
    scope: 'Namespaced',
    names: { plural: widgetType.plural, singular: 'widget', kind: widgetType.kind, listKind: 'WidgetList' },
    versions: [
      {
        name: widgetType.version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: { size: { type: 'integer' }, colour: { type: 'string' } },
              },
              status: {
                type: 'object',
                properties: { ready: { type: 'boolean' }, seen: { type: 'string' } },
              },
            },
          },
        },
      },
    ],
  },
};

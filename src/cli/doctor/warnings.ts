import * as z from 'zod';
import { objectMetaSchema, type ResourceType } from '../../api/resource.ts';
import type { Client } from '../../k8s/client.ts';
import type { Profile } from '../../laptop/profile.ts';

const eventSchema = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: objectMetaSchema,
  type: z.string().default(''),
  note: z.string().default(''),
  regarding: z.object({ kind: z.string().default(''), name: z.string().default('') }).prefault({}),
  eventTime: z.string().nullish(),
});

/** An Event as far as a person is told of it. */
const eventType: ResourceType<Readonly<z.infer<typeof eventSchema>>> = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
  parse: (raw) => eventSchema.parse(raw),
};

/** The note of the latest warning about the device's MeshPeer, where there is one. */
export async function lastWarning(client: Client, { namespace, peer }: Profile): Promise<string | undefined> {
  const { items } = await client.list(eventType, { namespace });
  const about = items.filter(
    ({ type, regarding }) => type === 'Warning' && regarding.kind === 'MeshPeer' && regarding.name === peer,
  );
  const inOrder = about.toSorted((one, other) => ((one.eventTime ?? '') < (other.eventTime ?? '') ? -1 : 1));
  return inOrder.at(-1)?.note;
}

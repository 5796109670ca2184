import type { KubernetesObject, ResourceType } from '../api/resource.ts';
import { isGone } from './errors.ts';
import { isRecord, type RawObject, rawObject } from './parse.ts';
import { resourcePath } from './resource-path.ts';
import type { Transport } from './transport.ts';

/** Which objects of a type: everywhere, or in one namespace, and only those the selectors match. */
export interface Selection {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** A page is a few megabytes at most with objects of a few kilobytes. */
const PAGE = 500;

/**
 * Lists a selection page by page, as it was at one resourceVersion, which is returned. When the server forgets that
 * version between two pages, it begins again without pages: `onItem` may then see an object twice, after `onRestart`.
 */
export async function listPages<T extends KubernetesObject>(
  transport: Transport,
  type: ResourceType<T>,
  selection: Selection,
  visit: { onItem(object: RawObject): void; onRestart(): void; readonly signal?: AbortSignal | undefined },
): Promise<string> {
  let limit: number | undefined = PAGE;
  let token: string | undefined;
  for (;;) {
    const { labelSelector, fieldSelector } = selection;
    const query = { labelSelector, fieldSelector, limit, continue: token };
    try {
      const page = readPage(
        await transport.request({ method: 'GET', path: resourcePath(type, selection), query, signal: visit.signal }),
      );
      for (const item of page.items) {
        const object = rawObject(type, item);
        if (object !== undefined) visit.onItem(object);
      }
      if (page.token === undefined) return page.resourceVersion;
      token = page.token;
    } catch (error) {
      if (!isGone(error) || token === undefined) throw error;
      token = undefined;
      limit = undefined;
      visit.onRestart();
    }
  }
}

/** The version of a selection as of now, for which one object is read. */
export async function presentVersion<T extends KubernetesObject>(
  transport: Transport,
  type: ResourceType<T>,
  { labelSelector, fieldSelector, namespace }: Selection,
  signal?: AbortSignal,
): Promise<string> {
  const query = { labelSelector, fieldSelector, limit: 1 };
  return readPage(await transport.request({ method: 'GET', path: resourcePath(type, { namespace }), query, signal }))
    .resourceVersion;
}

interface Page {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  readonly token: string | undefined;
}

function readPage(answer: unknown): Page {
  if (!isRecord(answer)) throw new Error('the answer to a list is not an object');
  const metadata = isRecord(answer.metadata) ? answer.metadata : {};
  const { resourceVersion, continue: token } = metadata;
  return {
    items: Array.isArray(answer.items) ? answer.items : [],
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    token: typeof token === 'string' && token !== '' ? token : undefined,
  };
}

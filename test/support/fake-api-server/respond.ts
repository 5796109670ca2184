import type { ServerResponse } from 'node:http';
import type { FaultAction } from './faults.ts';
import { field, isJson, type Json, text, without } from './json.ts';
import { Refusal } from './refusal.ts';
import { selects } from './selector.ts';
import type { FakeApiServer, SeenRequest } from './server.ts';
import type { Collection, Target } from './storage.ts';
import { watch } from './watch.ts';

export interface Asked extends SeenRequest {
  readonly body: string;
  readonly fault: FaultAction | undefined;
}

interface Route {
  readonly collection: Collection;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly status: boolean;
}

/** Answers one request. @throws {Refusal} */
export function respond(server: FakeApiServer, asked: Asked, response: ServerResponse): void {
  const { prefix, rest } = splitPath(asked.path);
  if (rest.length === 0) {
    send(response, 200, discovery(server, prefix));
    return;
  }
  const route = findRoute(server, prefix, rest);
  if (route.name !== undefined) respondObject(route, { ...route, name: route.name }, asked, response);
  else if (asked.method === 'POST') {
    const object = parse(asked.body);
    const namespace = route.collection.resource.namespaced ? route.namespace : undefined;
    send(response, 201, route.collection.create(object, namespace, manager(asked)));
  } else if (asked.query.get('watch') === 'true') watch(server, route, asked, response);
  else send(response, 200, list(server, route, asked.query));
}

function respondObject(route: Route, target: Target, asked: Asked, response: ServerResponse): void {
  const { collection } = route;
  switch (asked.method) {
    case 'GET':
      send(response, 200, collection.get(target));
      return;
    case 'PUT':
      send(response, 200, collection.update(target, parse(asked.body), manager(asked)));
      return;
    case 'DELETE':
      send(response, 200, collection.delete(target, field(parse(asked.body || '{}'), 'preconditions')));
      return;
    case 'PATCH':
      send(response, 200, patch(collection, target, asked));
      return;
    default:
      throw new Refusal(405, 'MethodNotAllowed', `${asked.method} is not allowed here`);
  }
}

function patch(collection: Collection, target: Target, asked: Asked): Json {
  const body = parse(asked.body);
  switch (asked.headers['content-type']) {
    case 'application/apply-patch+yaml': {
      const manager = asked.query.get('fieldManager');
      if (!manager) throw new Refusal(400, 'BadRequest', 'fieldManager is required for apply patch');
      return collection.apply(target, body, { manager, force: asked.query.get('force') === 'true' });
    }
    case 'application/merge-patch+json':
      return collection.patch(target, body, manager(asked));
    default:
      // What a client without explicit content types runs into.
      throw new Refusal(400, 'BadRequest', `a patch of type ${asked.headers['content-type']} must be an array`);
  }
}

function manager(asked: Asked): string {
  return asked.query.get('fieldManager') ?? asked.headers['user-agent'] ?? 'unknown';
}

function list(server: FakeApiServer, route: Route, query: URLSearchParams): Json {
  const { resource } = route.collection;
  const limit = Number(query.get('limit') ?? 0);
  const token = parse(Buffer.from(query.get('continue') ?? '', 'base64url').toString() || '{}');
  const all = route.collection.list().filter(selects(query, route.namespace));
  const begin = typeof token.at === 'number' ? token.at : 0;
  const end = limit > 0 ? begin + limit : all.length;
  const version = text(token, 'version') || String(server.version);
  const next = Buffer.from(JSON.stringify({ at: end, version })).toString('base64url');
  return {
    kind: `${resource.kind}List`,
    apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
    metadata: { resourceVersion: version, ...(end < all.length ? { continue: next } : {}) },
    // Items of a list carry neither kind nor apiVersion.
    items: all.slice(begin, end).map((item) => without(item, 'kind', 'apiVersion')),
  };
}

function discovery(server: FakeApiServer, prefix: Pick<Collection['resource'], 'group' | 'version'>): Json {
  const resources = [...server.collections]
    .map(({ resource }) => resource)
    .filter(({ group, version }) => group === prefix.group && version === prefix.version)
    .map(({ plural, kind, namespaced }) => ({ name: plural, kind, namespaced, singularName: '', verbs: [] }));
  if (resources.length === 0) throw new Refusal(404, 'NotFound', 'the server could not find the requested resource');
  return { kind: 'APIResourceList', groupVersion: `${prefix.group}/${prefix.version}`, resources };
}

function splitPath(path: string) {
  const [, root = '', ...rest] = path.split('/').map(decodeURIComponent);
  if (root === 'api') return { prefix: { group: '', version: rest[0] ?? '' }, rest: rest.slice(1) };
  if (root === 'apis') return { prefix: { group: rest[0] ?? '', version: rest[1] ?? '' }, rest: rest.slice(2) };
  throw new Refusal(404, 'NotFound', 'the server could not find the requested resource');
}

function findRoute(server: FakeApiServer, prefix: { group: string; version: string }, rest: readonly string[]): Route {
  // `namespaces/x/configmaps/y` is in a namespace; `namespaces/x` is one.
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status';
  const [plural = '', name, subresource] = inNamespace ? rest.slice(2) : rest;
  for (const collection of server.collections) {
    const { resource } = collection;
    if (resource.group !== prefix.group || resource.version !== prefix.version || resource.plural !== plural) continue;
    if (subresource !== undefined && (subresource !== 'status' || resource.status === false)) break;
    return { collection, name, namespace: inNamespace ? rest[1] : undefined, status: subresource === 'status' };
  }
  throw new Refusal(404, 'NotFound', 'the server could not find the requested resource');
}

function parse(body: string): Json {
  const parsed: unknown = JSON.parse(body);
  if (!isJson(parsed)) throw new Refusal(400, 'BadRequest', 'the body is not an object');
  return parsed;
}

function send(response: ServerResponse, status: number, object: Json): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(object));
}

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type CustomResourceDefinition, crds, DEFAULT_POOL_FAMILIES } from '../../src/api/crd.ts';
import type { KubernetesObject } from '../../src/api/resource.ts';
import {
  type Answer,
  controlPlaneBinaries,
  type RealApiServer,
  startRealApiServer,
} from '../support/real-api-server.ts';
import { ACCEPTED, gateway, peer, REFUSED, report, SHOWN, type Subject } from './crd-cases.ts';
import { JUDGED } from './crd-judged.ts';

/** A CRD is served, or served anew, a moment after it was written. */
const WAIT = { timeout: 20_000, interval: 100 };
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

describe('the CustomResourceDefinitions on a real kube-apiserver', () => {
  let server: RealApiServer;

  beforeAll(async () => {
    server = await startRealApiServer(await controlPlaneBinaries());
    await install(server);
    // Building the binaries for the first time takes minutes.
  }, 1_800_000);

  afterAll(() => server?.stop());

  const refusals = REFUSED.map(([name, subject, ...says]) => ({ name, subject, says }));
  test.each(refusals)('refused: $name', async ({ subject, says }) => {
    const { status, message } = await create(server, subject);
    expect(status, message).toBeGreaterThanOrEqual(400);
    for (const words of says) expect(message).toContain(words);
  });

  test.each(ACCEPTED)('accepted: %s', async (_name, subject) => {
    const { status, message, body } = await create(server, subject);
    expect(status, message).toBe(201);
    const { metadata: _stored, ...stored } = subject.type.parse(body);
    const { metadata: _written, ...written } = subject.type.parse(subject.object);
    expect(stored).toEqual(written);
  });

  test.each(JUDGED)('%s are judged as by our own parser', async (_what, subject, parse, texts) => {
    const answers = await Promise.all(texts.map((text) => create(server, subject(text))));
    const theirs = texts.map((text, index) => ({ text, ok: answers[index]?.status === 201 }));
    expect(theirs).toEqual(texts.map((text) => ({ text, ok: parse(text).ok })));
  });

  test('a pool of both families takes one address of each', async () => {
    for (const crd of crds([4, 6])) await replace(server, crd);
    const wish = peer({ addresses: ['10.213.0.20', 'fd00::20'] });
    await vi.waitUntil(async () => (await create(server, wish)).status === 201, WAIT);
  });

  test('kubectl get shows whether it works', async () => {
    for (const { subject, status, line } of SHOWN) {
      const path = collection(subject);
      const name = (subject.object as KubernetesObject).metadata.name;
      expect((await server.ask('POST', path, subject.object)).status).toBe(201);
      const patch = { 'content-type': 'application/merge-patch+json' };
      const answer = await server.ask('PATCH', `${path}/${name}/status`, { status }, patch);
      expect(answer.status, JSON.stringify(answer.body)).toBe(200);
      expect(await tableLine(server, `${path}/${name}`)).toBe(line);
    }
  });
});

/** Creates the CRDs, refusing unknown fields, and waits until all are served. */
async function install(server: RealApiServer): Promise<void> {
  for (const crd of crds(DEFAULT_POOL_FAMILIES)) {
    const { status, body } = await server.ask('POST', `${CRDS}?fieldValidation=Strict`, crd);
    expect(status, JSON.stringify(body)).toBe(201);
  }
  for (const subject of [peer(), gateway(), report()])
    await vi.waitUntil(async () => (await server.ask('GET', collection(subject))).status === 200, WAIT);
}

async function replace(server: RealApiServer, crd: CustomResourceDefinition): Promise<void> {
  const headers = { 'content-type': 'application/apply-patch+yaml' };
  const path = `${CRDS}/${crd.metadata.name}?fieldManager=test&force=true&fieldValidation=Strict`;
  const { status, body } = await server.ask('PATCH', path, crd, headers);
  expect(status, JSON.stringify(body)).toBe(200);
}

/** Everything that a creation does, but for the storing. The message is empty where the server has nothing against it. */
async function create(server: RealApiServer, subject: Subject): Promise<Answer & { readonly message: string }> {
  const path = `${collection(subject)}?fieldValidation=Strict&dryRun=All`;
  const answer = await server.ask('POST', path, subject.object);
  return { ...answer, message: (answer.body as { readonly message?: string }).message ?? '' };
}

function collection({ type, object }: Subject): string {
  const { namespace } = (object as KubernetesObject).metadata;
  const place = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `/apis/${type.group}/${type.version}${place}/${type.plural}`;
}

interface Table {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[];
  readonly rows: readonly { readonly cells: readonly unknown[] }[];
}

/** What `kubectl get` would print without `-o wide`, but for the age. */
async function tableLine(server: RealApiServer, path: string): Promise<string> {
  const answer = await server.ask('GET', path, undefined, { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' });
  const { columnDefinitions, rows } = answer.body as Table;
  return columnDefinitions
    .map(({ name, priority }, index) => ({ name, priority, text: `${name.toUpperCase()}=${rows[0]?.cells[index]}` }))
    .filter(({ name, priority }) => priority === 0 && name !== 'Age')
    .map(({ text }) => text)
    .join(' ');
}

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { serviceType } from '../../../src/api/core.ts';
import { crds, DEFAULT_POOL_FAMILIES } from '../../../src/api/crd.ts';
import { createClient } from '../../../src/k8s/client.ts';
import type { Connection } from '../../../src/k8s/connection.ts';
import { createTransport } from '../../../src/k8s/transport.ts';
import { controlPlaneBinaries, type RealApiServer, startRealApiServer } from '../../support/real-api-server.ts';
import { NAMESPACE, type ServedMesh } from '../../support/small-mesh.ts';

/** A request that changes something, as the API server's audit log tells it. */
export interface Write {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly userAgent: string;
  /** Like `meshpeers/status`. */
  readonly what: string;
  readonly name: string;
}

const POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'None', verbs: ['get', 'list', 'watch'] }, { level: 'Metadata' }],
};
const USER = 'test';

/** A kube-apiserver with an etcd that knows Sallyport's kinds, and writes down each request that changes something. */
export class AuditedServer implements ServedMesh {
  readonly #server: RealApiServer;
  readonly #folder: string;

  private constructor(server: RealApiServer, folder: string) {
    this.#server = server;
    this.#folder = folder;
  }

  /** With cluster DNS, Sallyport's own namespace, and one for devices. */
  static async start(devicesIn: string): Promise<AuditedServer> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-audited-'));
    const policy = join(folder, 'policy.json');
    await writeFile(policy, JSON.stringify(POLICY));
    const words = [`--audit-policy-file=${policy}`, `--audit-log-path=${join(folder, 'audit.log')}`];
    const server = new AuditedServer(await startRealApiServer(await controlPlaneBinaries(), words), folder);
    for (const name of [NAMESPACE, devicesIn]) await server.#create('/api/v1/namespaces', { metadata: { name } });
    for (const crd of crds(DEFAULT_POOL_FAMILIES))
      await server.#create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd);
    await server.#untilServed();
    const transport = createTransport(server.connection(), { userAgent: 'bench' });
    await createClient(transport).create(serviceType, {
      metadata: { name: 'kube-dns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
      spec: { clusterIPs: ['10.96.0.10'], clusterIP: '10.96.0.10', ports: [{ port: 53, protocol: 'UDP' }] },
    });
    transport.close();
    return server;
  }

  connection(): Connection {
    const { url, token, ca } = this.#server;
    const credentials = async () => ({ headers: { authorization: `Bearer ${token}` }, tls: { ca } });
    return { server: new URL(url), namespace: 'default', credentials };
  }

  /** What was written since a moment, by whoever it was, but for the API server itself. */
  writesSince(moment: number): readonly Write[] {
    const lines = readFileSync(join(this.#folder, 'audit.log'), 'utf8').split('\n');
    return lines.flatMap((line) => {
      // The last line may not be whole yet.
      if (!line.endsWith('}')) return [];
      const { user, userAgent, objectRef, stageTimestamp } = JSON.parse(line);
      const at = Date.parse(stageTimestamp);
      const what = [objectRef?.resource, objectRef?.subresource].filter((part) => part !== undefined).join('/');
      return user.username === USER && at >= moment ? [{ at, userAgent, what, name: objectRef?.name ?? '' }] : [];
    });
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #create(path: string, body: object): Promise<void> {
    const { status, body: answer } = await this.#server.ask('POST', path, body);
    if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(answer)}`);
  }

  async #untilServed(): Promise<void> {
    for (let waited = 0; waited < 20_000; waited += 100) {
      const { status } = await this.#server.ask('GET', '/apis/sallyport.dev/v1alpha1/meshaccesses');
      if (status === 200) return;
      await delay(100);
    }
    throw new Error('the API server does not serve the kinds');
  }
}

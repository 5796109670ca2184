import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { parse } from 'yaml';

interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: { readonly server: string; 'certificate-authority-data': string } }];
  readonly users: readonly [{ readonly user: Record<`client-${'certificate' | 'key'}-data`, string> }];
}

/**
 * Reads objects from a lab's API server as its administrator, over connections that stay. kubectl costs a processor a tenth of a
 * second for each look, which is most of what a test takes that looks again and again.
 */
export class ApiReader {
  readonly #server: string;
  readonly #agent: Agent;

  /** By the lab's own kubeconfig (kubeconfig.ts). */
  constructor(kubeconfig: string) {
    const { clusters, users } = parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
    const decoded = (base64: string) => Buffer.from(base64, 'base64');
    const { cluster } = clusters[0];
    const { user } = users[0];
    this.#server = cluster.server;
    this.#agent = new Agent({
      keepAlive: true,
      ca: decoded(cluster['certificate-authority-data']),
      cert: decoded(user['client-certificate-data']),
      key: decoded(user['client-key-data']),
    });
  }

  /** What stands at a path such as /api/v1/nodes. @throws Error for any other answer than 200, with what the server said. */
  async get(path: string): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly status: number; readonly body: string }>();
    const asked = request(`${this.#server}${path}`, { agent: this.#agent, timeout: TIMEOUT_MS });
    asked.on('response', (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    asked.on('error', (cause) => reject(new Error(`get ${path}: ${cause.message}`, { cause })));
    asked.end();
    const { status, body } = await promise;
    if (status !== 200) throw new Error(`get ${path}: ${status}: ${body}`);
    return JSON.parse(body);
  }
}

const TIMEOUT_MS = 10_000;

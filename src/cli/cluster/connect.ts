import type { Client } from '../../k8s/client.ts';
import { UserError } from '../output.ts';
import { userName } from './user-name.ts';

/** Which cluster, where a command needs one. */
export interface ClusterOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** Without a kubeconfig, as in CI: the API server, the file of its CA and the file of a token. */
  readonly server?: string | undefined;
  readonly certificateAuthority?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/** A cluster that a person's command talks to. */
export interface ConnectedCluster {
  readonly client: Client;
  /** The URL of its API server. */
  readonly server: string;
  /** The namespace of the kubeconfig's context. */
  readonly namespace: string;
  /** The name of the kubeconfig's context that was taken; undefined without one. */
  readonly context: string | undefined;
  /** Who the user is for the API server; undefined where it does not say. */
  userName(): Promise<string | undefined>;
}

/** A request of a person's is worth waiting this long for, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** The Kubernetes client is the larger part of this program, and only commands that talk to a cluster load it. `timeoutMs` is for each request. */
export async function connect(options: ClusterOptions, timeoutMs = TIMEOUT_MS): Promise<ConnectedCluster> {
  const [{ createClient }, { loadConnection }, { createTransport }] = await Promise.all([
    import('../../k8s/client.ts'),
    import('../../k8s/kubeconfig.ts'),
    import('../../k8s/transport.ts'),
  ]);
  const { kubeconfig: path, context } = options;
  const connection = await loadConnection({ env: process.env, path, context, direct: directly(options) });
  const transport = createTransport(connection, { userAgent: 'sallyport', timeoutMs });
  return {
    ...{ client: createClient(transport, { timeoutMs }), userName: () => userName(transport) },
    ...{ server: connection.server.href, namespace: connection.namespace, context: connection.context },
  };
}

function directly({ server, certificateAuthority, tokenFile }: ClusterOptions) {
  if (server === undefined && tokenFile === undefined) return undefined;
  if (server === undefined || tokenFile === undefined)
    throw new UserError('--server and --token-file go together: the API server and whoever you are there');
  return { server, tokenFile, certificateAuthority };
}

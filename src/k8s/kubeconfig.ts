import { existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { isIP, isIPv6 } from 'node:net';
import { delimiter, join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { Connection, Credentials, TlsMaterial } from './connection.ts';
import { proxyFor } from './proxy.ts';

/** Where to find the API server, in order: `path`, `$KUBECONFIG`, `~/.kube/config`, the pod's service account. */
export interface ConnectionOptions {
  /** The environment: KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST and _PORT, the proxy variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One kubeconfig file; wins over everything else. */
  readonly path?: string | undefined;
  /** A server and a token instead of all that, as CI has them. */
  readonly direct?: DirectConnection | undefined;
  /** The name of a context in the kubeconfig; the current one when absent. */
  readonly context?: string | undefined;
  /** Where the pod's token, CA and namespace are mounted; only tests change it. */
  readonly serviceAccountFolder?: string | undefined;
}

/** An API server without a kubeconfig. */
export interface DirectConnection {
  readonly server: string;
  /** Read anew for each request. */
  readonly tokenFile: string;
  /** The file of its CA; the system's CAs without. */
  readonly certificateAuthority?: string | undefined;
}

/** Nothing to connect to, or a kubeconfig that does not fit together. The message tells the remedy. */
export class NoConnection extends Error {
  override readonly name = 'NoConnection';
}

/**
 * Finds the API server and the credentials for it by client-node's KubeConfig: files, tokens, client certificates,
 * exec plugins, OIDC. @throws {NoConnection}
 */
export async function loadConnection(options: ConnectionOptions): Promise<Connection> {
  const load = await loader(options);
  let config = load();
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new NoConnection('the kubeconfig has no current context; choose one with --context');
  const server = serverUrl(cluster.server);
  const credentials = async ({ fresh = false } = {}) => {
    if (fresh) config = load();
    return credentialsFrom(config);
  };
  const context = config.getCurrentContext();
  const namespace = textIn('namespace', config.getContextObject(context)?.namespace)?.trim();
  return {
    server,
    context,
    namespace: namespace || 'default',
    proxy: proxyFor(server, options.env, textIn('proxy-url', cluster.proxyUrl)),
    credentials,
  };
}

/** client-node hands on what YAML takes for a number, a list or whatever else. */
function textIn(field: string, value: unknown): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw new NoConnection(`the ${field} in the kubeconfig is not text: put it in quotes`);
}

/** KubeConfig is large and only needed by programs that connect: it is imported when the first one does. */
async function loader(options: ConnectionOptions): Promise<() => KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const files = kubeconfigFiles(options);
  const inCluster = options.direct === undefined && files.length === 0 ? serviceAccount(options) : undefined;
  return () => {
    const config = new KubeConfig();
    if (options.direct !== undefined) config.loadFromOptions(directly(options.direct));
    if (inCluster !== undefined) config.loadFromOptions(inCluster);
    for (const file of files) addFile(config, file, new KubeConfig());
    if (options.context !== undefined) useContext(config, options.context);
    completeUser(config);
    return config;
  };
}

function kubeconfigFiles({ path, env, direct }: ConnectionOptions): readonly string[] {
  if (direct !== undefined) return [];
  if (path !== undefined) return [path];
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) return listed;
  const home = env.HOME ?? env.USERPROFILE;
  const standard = home === undefined ? undefined : join(home, '.kube', 'config');
  return standard !== undefined && existsSync(standard) ? [standard] : [];
}

/** As kubectl merges several files: the first mention of a name wins (client-node's own merge throws on a second one). */
function addFile(into: KubeConfig, file: string, from: KubeConfig): void {
  try {
    from.loadFromFile(file);
  } catch (cause) {
    throw new NoConnection(`cannot read the kubeconfig ${file}: ${cause instanceof Error ? cause.message : cause}`);
  }
  for (const cluster of from.clusters) if (into.getCluster(cluster.name) === null) into.addCluster(cluster);
  for (const user of from.users) if (into.getUser(user.name) === null) into.addUser(user);
  for (const context of from.contexts) if (into.getContextObject(context.name) === null) into.addContext(context);
  if (!into.currentContext) into.currentContext = from.currentContext;
}

function useContext(config: KubeConfig, name: string): void {
  if (config.getContextObject(name) === null) {
    const known = config.contexts.map((context) => context.name).join(', ');
    throw new NoConnection(`the kubeconfig has no context "${name}"; it has: ${known || 'none'}`);
  }
  config.setCurrentContext(name);
}

/** client-node ignores even the CA of a cluster when its context names no user. */
function completeUser(config: KubeConfig): void {
  const context = config.getContextObject(config.getCurrentContext());
  if (context === null || config.getCurrentUser() !== null) return;
  const user = { name: 'nobody' };
  config.loadFromOptions({
    clusters: config.clusters,
    users: [...config.users, user],
    contexts: config.contexts.map((known) => (known.name === context.name ? { ...known, user: user.name } : known)),
    currentContext: context.name,
  });
}

function serviceAccount({ env, serviceAccountFolder }: ConnectionOptions) {
  const folder = serviceAccountFolder ?? '/var/run/secrets/kubernetes.io/serviceaccount';
  const host = env.KUBERNETES_SERVICE_HOST;
  const token = join(folder, 'token');
  if (host === undefined || host === '' || !existsSync(token)) {
    throw new NoConnection(
      'no cluster: set KUBECONFIG or pass --kubeconfig (outside a cluster), or run as a pod inside one',
    );
  }
  const namespaceFile = join(folder, 'namespace');
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT ?? '443'}`;
  const namespace = existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8') : undefined;
  return {
    clusters: [{ name: 'in-cluster', server, caFile: join(folder, 'ca.crt'), skipTLSVerify: false }],
    users: [{ name: 'pod', authProvider: { name: 'tokenFile', config: { tokenFile: token } } }],
    contexts: [
      { name: 'in-cluster', cluster: 'in-cluster', user: 'pod', ...(namespace === undefined ? {} : { namespace }) },
    ],
    currentContext: 'in-cluster',
  };
}

function directly({ server, tokenFile, certificateAuthority }: DirectConnection) {
  for (const file of [tokenFile, certificateAuthority])
    if (file !== undefined && !existsSync(file)) throw new NoConnection(`there is no file ${file}`);
  const name = 'direct';
  const ca = certificateAuthority === undefined ? {} : { caFile: certificateAuthority };
  return {
    clusters: [{ name, server, ...ca, skipTLSVerify: false }],
    users: [{ name, authProvider: { name: 'tokenFile', config: { tokenFile } } }],
    contexts: [{ name, cluster: name, user: name }],
    currentContext: name,
  };
}

/** Plain http carries tokens in the clear: allowed to this machine only (kubectl proxy, tests). */
function serverUrl(text: string): URL {
  if (!URL.canParse(text)) throw new NoConnection(`the server of the kubeconfig is not a URL: ${text}`);
  const server = new URL(text);
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const local = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  if (server.protocol === 'https:' || (server.protocol === 'http:' && local)) return server;
  throw new NoConnection(`refusing to send credentials to ${server.origin}: use https`);
}

async function credentialsFrom(config: KubeConfig): Promise<Credentials> {
  const cluster = config.getCurrentCluster();
  // client-node makes an agent that we do not use, and refuses http unless verification is off.
  if (cluster?.server.startsWith('http:')) Object.assign(cluster, { skipTLSVerify: true });
  const applied: RequestOptions = {};
  await config.applyToHTTPSOptions(applied);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(applied.headers ?? {})) {
    // A token file usually ends in a newline, which no header may contain.
    if (typeof value === 'string') headers[name.toLowerCase()] = value.trim();
  }
  if (applied.auth) headers.authorization = `Basic ${Buffer.from(applied.auth).toString('base64')}`;
  return { headers, tls: tlsMaterial(applied) };
}

function tlsMaterial(applied: RequestOptions): TlsMaterial {
  return {
    ...(isPem(applied.ca) ? { ca: applied.ca } : {}),
    ...(isPem(applied.cert) ? { cert: applied.cert } : {}),
    ...(isPem(applied.key) ? { key: applied.key } : {}),
    ...(applied.servername === undefined ? {} : { servername: applied.servername }),
    ...(applied.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: applied.rejectUnauthorized }),
  };
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value);
}

import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { labTools } from '../lab/binaries.ts';
import { TOOL_MODULES } from '../lab/tool-list.ts';

/** The commands that a control plane needs. */
export interface ControlPlaneBinaries {
  readonly etcd: string;
  readonly kubeApiserver: string;
  readonly kubectl: string;
}

/** An answer of the API server; a body that is not JSON is left as text. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A kube-apiserver with an etcd of its own, empty, on 127.0.0.1; its user may do everything. */
export interface RealApiServer {
  readonly url: string;
  readonly token: string;
  /** The certificate that the server's own is signed with, PEM. */
  readonly ca: string;
  /** A kubeconfig file for kubectl and client libraries. */
  readonly kubeconfig: string;
  readonly kubectl: string;
  /** One request; a body is sent as JSON, as application/json unless the headers say otherwise. */
  ask(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Ends both programs and removes their files. Safe to call twice. */
  stop(): Promise<void>;
}

/** The binaries in the directory that KUBEBUILDER_ASSETS names, else the lab's own, which are built where they are missing. */
export async function controlPlaneBinaries(): Promise<ControlPlaneBinaries> {
  const directory = process.env.KUBEBUILDER_ASSETS;
  if (directory !== undefined) return binariesAt((command) => join(directory, command));
  const tools = await labTools(TOOL_MODULES.filter(({ folder }) => folder === 'etcd' || folder === 'kubernetes'));
  return binariesAt((command) => tools.path(command));
}

function binariesAt(path: (command: string) => string): ControlPlaneBinaries {
  return { etcd: path('etcd'), kubeApiserver: path('kube-apiserver'), kubectl: path('kubectl') };
}

/** Starts etcd and kube-apiserver from nothing and waits until /readyz says ok. @throws {Error} with the server's last words. */
export async function startRealApiServer(
  binaries: ControlPlaneBinaries,
  extraArguments: readonly string[] = [],
): Promise<RealApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-apiserver-'));
  const children: ChildProcess[] = [];
  const stop = () => stopAll(children, folder);
  try {
    const [clientPort, peerPort, apiPort] = await freePorts(3);
    const etcdUrl = `http://127.0.0.1:${clientPort}`;
    children.push(start(binaries.etcd, etcdArguments(folder, etcdUrl, `http://127.0.0.1:${peerPort}`), folder));
    const token = randomUUID();
    await writeCredentials(folder, token);
    const apiArguments = [...apiserverArguments(folder, etcdUrl, Number(apiPort)), ...extraArguments];
    const apiserver = start(binaries.kubeApiserver, apiArguments, folder);
    children.push(apiserver);
    const url = `https://127.0.0.1:${apiPort}`;
    const ca = await waitUntilReady(apiserver, folder, url, token);
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, kubeconfigText(url, ca, token), { mode: 0o600 });
    const ask: RealApiServer['ask'] = (method, path, body, headers) =>
      askOnce({ url, ca, token, method, path, body, headers });
    return { url, token, ca, kubeconfig, kubectl: binaries.kubectl, ask, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

function etcdArguments(folder: string, clientUrl: string, peerUrl: string): readonly string[] {
  return [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    '--unsafe-no-fsync',
    '--log-level=error',
  ];
}

function apiserverArguments(folder: string, etcdUrl: string, port: number): readonly string[] {
  return [
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--etcd-servers=${etcdUrl}`,
    `--cert-dir=${join(folder, 'certificates')}`,
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--allow-privileged=true',
    // As some distributions have it: an owner reference that blocks its owner's deletion asks for rights on the owner.
    '--enable-admission-plugins=OwnerReferencesPermissionEnforcement',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${join(folder, 'service-account.pub')}`,
    `--service-account-signing-key-file=${join(folder, 'service-account.key')}`,
  ];
}

async function writeCredentials(folder: string, token: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secret = { mode: 0o600 };
  await writeFile(join(folder, 'service-account.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(join(folder, 'service-account.key'), privateKey.export({ type: 'sec1', format: 'pem' }), secret);
  await writeFile(join(folder, 'tokens.csv'), `${token},test,test,system:masters\n`, secret);
}

/** A child that dies with this program even if that is killed: setpriv asks the kernel for it. Its words go to NAME.log. */
function start(command: string, argv: readonly string[], folder: string): ChildProcess {
  const log = openSync(logFile(folder, command), 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...argv], { stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

function logFile(folder: string, command: string): string {
  return join(folder, `${command.split('/').at(-1)}.log`);
}

async function waitUntilReady(apiserver: ChildProcess, folder: string, url: string, token: string): Promise<string> {
  const certificate = join(folder, 'certificates', 'apiserver.crt');
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline && apiserver.exitCode === null && apiserver.signalCode === null) {
    if (existsSync(certificate)) {
      const ca = readFileSync(certificate, 'utf8');
      const answer = await askOnce({ url, ca, token, method: 'GET', path: '/readyz' }).catch(() => undefined);
      if (answer?.status === 200) return ca;
    }
    await delay(100);
  }
  const words = readFileSync(logFile(folder, apiserver.spawnargs[4] ?? ''), 'utf8')
    .split('\n')
    .slice(-20)
    .join('\n');
  throw new Error(`kube-apiserver did not become ready:\n${words}`);
}

interface Question {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

function askOnce({ url, ca, token, method, path, body, ...more }: Question): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...more.headers };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}${path}`, { method, ca, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: jsonOrText(Buffer.concat(parts).toString()) }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function kubeconfigText(server: string, ca: string, token: string): string {
  const name = 'test';
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
  });
}

/** Ports that are free now; all are held until the last is known, so that they differ. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { readonly port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

async function stopAll(children: ChildProcess[], folder: string): Promise<void> {
  for (const child of children.splice(0).reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
}

import { randomBytes } from 'node:crypto';

import { describeOperation, type Operation } from '../dataplane/operation.ts';
import { createLinuxHost } from '../host/linux.ts';
import { type Client, createClient } from '../k8s/client.ts';
import { createEventRecorder } from '../k8s/events.ts';
import { loadConnection } from '../k8s/kubeconfig.ts';
import type { ReflectorNotice } from '../k8s/reflector.ts';
import { createTransport, type Transport } from '../k8s/transport.ts';
import { nodeNames } from '../mesh/node.ts';
import { addressesIn, type IpAddress, parseAddress } from '../net/address.ts';
import { keyPairFrom } from '../net/key-pair.ts';
import { systemClock } from '../runtime/clock.ts';
import { serveHealth } from '../runtime/health.ts';
import { createLog, type Log, type LogLevel } from '../runtime/log.ts';
import { Metrics } from '../runtime/metrics.ts';
import { serveMetrics } from '../runtime/metrics-listener.ts';
import { tellProgram } from '../runtime/program-metrics.ts';
import { interruptSignal } from '../runtime/signals.ts';
import type { ProbeResult } from '../usermode/probe-result.ts';
import { Agent } from './agent.ts';
import { createAsker } from './asking.ts';
import { ConfigurationListeners } from './configuration-listeners.ts';
import type { Listen } from './device-configurations.ts';
import { followObjects } from './followed.ts';
import { clearNode, forgetNode, isWanted } from './leave.ts';
import { AgentRecorder } from './recorder.ts';
import { type ProbedService, ServiceProbe } from './service-probe.ts';

/** What the DaemonSet's pod tells its program; `../operator/agent-pod.ts` writes it. */
interface Settings {
  readonly node: string;
  readonly pod: string;
  readonly namespace: string;
  readonly gateway: string;
  /** The node's own. */
  readonly addresses: readonly IpAddress[];
  readonly logLevel: LogLevel;
  readonly service: ProbedService;
  readonly metrics: MetricsAddress | undefined;
}

/** Where the agent answers `GET /metrics`, and whom. */
interface MetricsAddress {
  readonly port: number;
  readonly hosts: readonly string[];
  readonly sources: readonly string[];
  /** Up to so many devices have series of their own. */
  readonly devices: number;
}

const HEALTH = { host: '127.0.0.1', port: 9841 };
const HOST_PATHS = {
  privateKeysFolder: '/etc/sallyport/keys',
  presharedKeysFolder: '/etc/sallyport/preshared-keys',
  procSys: '/host/proc/sys/net',
  runDir: '/run/sallyport',
  wireguardGo: 'wireguard-go',
};

/** The Lease lives for 40 s and is renewed every 10: one request that nobody answers must not outlast it. */
const REQUEST_MS = 10_000;
const UNWANTED = 'the gateway is gone, or no longer selects this node';

/** Serves the gateway on this node until the pod ends. */
async function serve(settings: Settings): Promise<void> {
  const { node, pod, namespace, gateway } = settings;
  const log = logOf(settings);
  const ending = new AbortController();
  const { signal } = ending;
  const { transport, client } = await connect();
  const metrics = new Metrics();
  tellProgram(metrics, 'agent');
  const devices = settings.metrics?.devices ?? 0;
  const recorder = new AgentRecorder({ metrics, clock: systemClock, log, devices });
  const onNotice = (resource: string, notice: ReflectorNotice) => {
    log.warn({ resource, ...notice }, 'watch');
    recorder.watched(resource, notice);
  };
  const followed = followObjects(transport, { namespace, gateway, signal, clock: systemClock, onNotice });
  const events = createEventRecorder(client, {
    controller: 'sallyport.dev/agent',
    instance: pod,
    clock: systemClock,
    onFailure: (error) => log.warn({ error }, 'event not recorded'),
  });
  const keys = keyPairFrom(randomBytes(32));
  const host = createLinuxHost({ node, ...HOST_PATHS });
  const onResult = (result: ProbeResult) => recorder.probed(result);
  const probe = new ServiceProbe({ keys, service: settings.service, clock: systemClock, randomBytes, onResult });
  const onFailure = (error: unknown) => log.warn({ error }, 'another node was not asked whether it lives');
  const context = {
    ask: createAsker({ keys, clock: systemClock, randomBytes, onFailure }),
    addresses: settings.addresses,
    gateway,
    node,
    namespace,
    identity: pod,
    ...followed,
    client,
    host,
    probe,
    events,
  };
  const listen: Listen = (options) => new ConfigurationListeners(options);
  const agent = new Agent({
    ...context,
    listen,
    probeKey: keys.publicKey,
    clock: systemClock,
    log,
    audit: auditLogOf(settings),
    recorder,
  });
  recorder.follow(agent, host);
  let isLeaving = false;
  const end = async () => {
    // The pod may end because the node no longer serves the gateway; where nobody can say, the operator has a Job ask again.
    const stays = (error: unknown) => log.error({ error }, 'the node stays as it is');
    isLeaving = (await isWanted(client, settings).catch(stays)) === false;
    await agent.letGo(isLeaving).catch((error: unknown) => log.warn({ error }, 'devices were not let go'));
    // That may have taken a minute, and the next agent goes on with what is there.
    const goes = (error: unknown) => log.warn({ error }, 'whether the node is wanted again is not known');
    if (isLeaving) isLeaving = (await isWanted(client, settings).catch(goes)) !== true;
    ending.abort();
  };
  interruptSignal().signal.addEventListener('abort', () => void end(), { once: true });
  // First what the kubelet asks: without it the agent is restarted, without metrics it does its work.
  await serveHealth({ ...HEALTH, notReady: () => agent.notReady(), signal });
  if (settings.metrics !== undefined)
    await serveMetrics({ ...settings.metrics, metrics, clock: systemClock, log, signal });
  await agent.run(signal);
  if (isLeaving && !agent.isClean) {
    log.info({}, UNWANTED);
    await agent.cleanUp().catch((error: unknown) => log.error({ error }, 'the node stays as it is'));
  }
  await events.flush();
  await host.close();
}

/** What the pod of a Job does on a node whose agent did not come to it: leaves the node as it was before, and ends. */
async function leave(settings: Settings): Promise<void> {
  const log = logOf(settings);
  // Once the report is gone, the garbage collector ends this pod; what it has begun it brings to its end.
  interruptSignal();
  const host = createLinuxHost({ node: settings.node, ...HOST_PATHS });
  const { transport, client } = await connect();
  const onOperation = (operation: Operation) => log.info({ operation: describeOperation(operation) }, 'apply');
  if (!(await isWanted(client, settings))) {
    log.info({}, UNWANTED);
    await clearNode(host, nodeNames(settings.gateway), onOperation);
    await forgetNode(client, settings);
  }
  await host.close();
  transport.close();
}

async function connect(): Promise<{ readonly transport: Transport; readonly client: Client }> {
  const transport = createTransport(await loadConnection({ env: process.env }), { userAgent: 'sallyport-agent' });
  return { transport, client: createClient(transport, { timeoutMs: REQUEST_MS }) };
}

function logOf({ logLevel, node, gateway }: Settings): Log {
  return createLog({ level: logLevel, bindings: { program: 'agent', node, gateway } });
}

/** Told apart from other lines by `log`, and written whatever the level of those is. */
function auditLogOf({ node, gateway }: Settings): Log {
  return createLog({ level: 'info', bindings: { log: 'audit', program: 'agent', node, gateway } });
}

function metricsAddress(env: NodeJS.ProcessEnv): MetricsAddress | undefined {
  const words = (name: string) => (env[name] ?? '').split(',').filter((word) => word !== '');
  if (env.SALLYPORT_METRICS_PORT === undefined) return undefined;
  return {
    port: Number(env.SALLYPORT_METRICS_PORT),
    hosts: words('SALLYPORT_METRICS_HOSTS'),
    sources: words('SALLYPORT_METRICS_SOURCES'),
    devices: Number(env.SALLYPORT_METRICS_DEVICES ?? '0'),
  };
}

/** @throws naming the variable that is missing or wrong: nothing of this is written by hand. */
function readSettings(env: NodeJS.ProcessEnv): Settings {
  const required = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === '')
      throw new Error(`the environment lacks ${name}; the operator's DaemonSet sets it`);
    return value;
  };
  const address = parseAddress(required('KUBERNETES_SERVICE_HOST'));
  if (!address.ok) throw new Error(`KUBERNETES_SERVICE_HOST: ${address.problem}`);
  return {
    metrics: metricsAddress(env),
    node: required('NODE_NAME'),
    pod: required('POD_NAME'),
    namespace: required('POD_NAMESPACE'),
    addresses: addressesIn((env.POD_IPS ?? '').split(',')),
    gateway: required('SALLYPORT_GATEWAY'),
    logLevel: (env.SALLYPORT_LOG_LEVEL ?? 'info') as LogLevel,
    service: { address: address.value, port: Number(env.KUBERNETES_SERVICE_PORT ?? '443') },
  };
}

try {
  const settings = readSettings(process.env);
  await (process.argv[2] === 'leave' ? leave(settings) : serve(settings));
  process.exit(0);
} catch (error) {
  createLog({ level: 'error' }).error({ error }, 'the agent ends');
  process.exit(1);
}

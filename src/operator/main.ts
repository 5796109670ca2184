import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Client, createClient } from '../k8s/client.ts';
import { campaign } from '../k8s/election.ts';
import { createEventRecorder } from '../k8s/events.ts';
import { loadConnection } from '../k8s/kubeconfig.ts';
import { createTransport, type Transport } from '../k8s/transport.ts';
import { parseDuration } from '../net/duration.ts';
import { systemClock } from '../runtime/clock.ts';
import { serveHealth } from '../runtime/health.ts';
import { createLog, type Log } from '../runtime/log.ts';
import { Metrics } from '../runtime/metrics.ts';
import { serveMetrics } from '../runtime/metrics-listener.ts';
import { tellProgram } from '../runtime/program-metrics.ts';
import { interruptSignal } from '../runtime/signals.ts';
import { OPERATOR_CONFIG_FILE, OPERATOR_HEALTH_PORT, type OperatorConfig, parseOperatorConfig } from './config.ts';
import { lead } from './lead.ts';
import { OperatorRecorder } from './recorder.ts';
import { removeGateways } from './remove-gateways.ts';

const LEASE_NAME = 'sallyport-operator';

const USAGE = 'usage: operator run [--config FILE] | operator cleanup [--deadline DURATION]';

/** What a command needs of the world. */
interface Shell {
  readonly transport: Transport;
  readonly client: Client;
  readonly log: Log;
  readonly signal: AbortSignal;
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', default: OPERATOR_CONFIG_FILE },
      deadline: { type: 'string', default: '90s' },
    },
  });
  const { signal, release } = interruptSignal();
  try {
    if (positionals[0] === 'run') return await run(readConfig(values.config), signal);
    if (positionals[0] !== 'cleanup') return misused(USAGE);
    const deadline = parseDuration(values.deadline);
    if (!deadline.ok) return misused(`--deadline: ${deadline.problem}`);
    return await cleanup(deadline.value, signal);
  } finally {
    release();
  }
}

function misused(sentence: string): number {
  process.stderr.write(`${sentence}\n`);
  return 2;
}

async function run(config: OperatorConfig, signal: AbortSignal): Promise<number> {
  const shell = await openShell(createLog({ level: config.logLevel, bindings: { program: 'operator' } }), signal);
  const { transport, client, log } = shell;
  const { POD_NAME: identity = 'operator', POD_NAMESPACE: namespace = 'sallyport-system' } = process.env;
  await serveHealth({ port: OPERATOR_HEALTH_PORT, notReady: () => undefined, signal });
  const events = createEventRecorder(client, {
    controller: 'sallyport.dev/operator',
    instance: identity,
    clock: systemClock,
    onFailure: (error, happening) =>
      log.warn({ error, regarding: happening.regarding.metadata.name }, 'event not recorded'),
  });
  const audit = createLog({ level: 'info', bindings: { log: 'audit', program: 'operator' } });
  const metrics = new Metrics();
  tellProgram(metrics, 'operator');
  const recorder = new OperatorRecorder(metrics);
  if (config.metrics.enabled)
    await serveMetrics({ port: config.metrics.port, metrics, clock: systemClock, log, signal });
  const leadership = {
    recorder,
    transport,
    client,
    events,
    clock: systemClock,
    log,
    audit,
    config,
    namespace,
    randomBytes,
  };
  const candidacy = { name: LEASE_NAME, namespace, identity, clock: systemClock, signal };
  await campaign(transport, { ...candidacy, onNotice: (notice) => log.info({ ...notice }, 'election') }, (leading) =>
    lead(leadership, leading),
  );
  await events.flush();
  return 0;
}

async function cleanup(deadlineMs: number, signal: AbortSignal): Promise<number> {
  const { transport } = await openShell(createLog({ level: 'info', bindings: { program: 'cleanup' } }), signal);
  // A request that hangs must not outlast the deadline by much.
  const client = createClient(transport, { timeoutMs: 5_000 });
  // Helm shows it to whoever uninstalls, so it speaks in sentences.
  const say = (sentence: string) => void process.stdout.write(`${sentence}\n`);
  await removeGateways({ client, say, clock: systemClock, deadlineMs, signal });
  return 0;
}

async function openShell(log: Log, signal: AbortSignal): Promise<Shell> {
  const transport = createTransport(await loadConnection({ env: process.env }), { userAgent: 'sallyport-operator' });
  return { transport, client: createClient(transport), log, signal };
}

function readConfig(file: string): OperatorConfig {
  const config = parseOperatorConfig(readFileSync(file, 'utf8'));
  if (!config.ok) throw new Error(`${file}: ${config.problem}`);
  return config.value;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    createLog({ level: 'error' }).error({ error }, 'the operator ends');
    process.exit(1);
  },
);

import type { Operation } from '../dataplane/operation.ts';
import type { ReflectorNotice } from '../k8s/reflector.ts';
import { countPeers, HANDSHAKE_AGES, PEER_STATES } from '../mesh/peer-census.ts';
import { PeerTraffic } from '../mesh/peer-traffic.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Instruments, Metrics } from '../runtime/metrics.ts';
import type { ProbeResult } from '../usermode/probe-result.ts';
import type { Agent, AgentView } from './agent.ts';
import { AGENT_METRICS } from './metrics.ts';
import type { Look } from './wake.ts';

type AgentInstruments = Instruments<typeof AGENT_METRICS>;

/** What the agent's loop tells whoever counts. */
export interface TurnRecorder {
  /** A step on the node is done. */
  applied(operation: Operation, seconds: number): void;
  /** A look at the node has ended, by failing or not. */
  turned(look: Exclude<Look, 'arrivals'>, seconds: number, ended: 'well' | 'failed'): void;
  /** What somebody else had changed was mended. */
  mended(): void;
}

/** Counts what an agent does, and looks up how its node stands before each page. */
export class AgentRecorder implements TurnRecorder {
  readonly #metrics: Metrics;
  readonly #instruments: AgentInstruments;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #traffic = new PeerTraffic();

  constructor(metrics: Metrics, clock: Pick<Clock, 'now'>) {
    this.#metrics = metrics;
    this.#instruments = metrics.define(AGENT_METRICS);
    this.#clock = clock;
  }

  applied({ kind }: Operation, seconds: number): void {
    this.#instruments.operations.add({ kind });
    this.#instruments.applying.observe({}, seconds);
  }

  turned(look: Exclude<Look, 'arrivals'>, seconds: number, ended: 'well' | 'failed'): void {
    this.#instruments.turns.observe({ look }, seconds);
    if (ended === 'failed') this.#instruments.failures.add({});
  }

  mended(): void {
    this.#instruments.mended.add({});
  }

  /** A probe has come to an end. */
  probed(result: ProbeResult): void {
    const { probes, probing } = this.#instruments;
    probes.add({ result: result.ok ? 'ok' : result.step });
    const isNew = !result.ok || !result.reused;
    if (isNew && result.handshakeMs !== undefined) probing.observe({ step: 'handshake' }, result.handshakeMs / 1_000);
    if (result.dnsMs !== undefined) probing.observe({ step: 'dns' }, result.dnsMs / 1_000);
    if (result.ok) probing.observe({ step: 'tcp' }, result.tcpMs / 1_000);
  }

  /** What a watch says of itself. */
  watched(resource: string, notice: ReflectorNotice): void {
    if (notice.kind === 'disconnected') this.#instruments.watchRestarts.add({ resource });
  }

  /** Asks this agent before each page. */
  follow(agent: Pick<Agent, 'view' | 'notReady'>): void {
    this.#metrics.beforePage(() => {
      this.#instruments.serving.set({}, agent.notReady() === undefined ? 1 : 0);
      this.#tell(agent.view);
    });
  }

  #tell({ observed, table, conditions, withoutPresharedKey }: AgentView): void {
    const { peers, handshakes, received, sent } = this.#instruments;
    const { states, ages } = countPeers(observed, table, this.#clock.now());
    for (const state of PEER_STATES) peers.set({ state }, states[state]);
    for (const age of HANDSHAKE_AGES) handshakes.set({ age }, ages[age]);
    this.#instruments.withoutPresharedKey.set({}, withoutPresharedKey);
    const bytes = this.#traffic.take(observed);
    received.add({}, bytes.received);
    sent.add({}, bytes.sent);
    this.#instruments.conditions.clear();
    for (const condition of AGENT_METRICS.conditions.labels.condition) {
      const status = conditions.find(({ type }) => type === condition)?.status;
      if (status === 'True' || status === 'False')
        this.#instruments.conditions.set({ condition }, status === 'True' ? 1 : 0);
    }
  }
}

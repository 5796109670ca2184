import { keyOf } from '../api/resource.ts';
import type { ConnectionTracking } from '../dataplane/connection-tracking.ts';
import type { Operation } from '../dataplane/operation.ts';
import type { Host } from '../host/host.ts';
import type { ReflectorNotice } from '../k8s/reflector.ts';
import type { Verdict } from '../mesh/audit/sets.ts';
import { DeviceTraffic } from '../mesh/device-traffic.ts';
import { countPeers, HANDSHAKE_AGES, PEER_STATES } from '../mesh/peer-census.ts';
import { grownBy, PeerTraffic } from '../mesh/peer-traffic.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Instruments, Metrics } from '../runtime/metrics.ts';
import type { ProbeResult } from '../usermode/probe-result.ts';
import type { Agent, AgentView } from './agent.ts';
import { AGENT_METRICS, type CallCause } from './metrics.ts';
import type { Look } from './wake.ts';

/** What the agent's loop tells whoever counts. */
export interface TurnRecorder {
  /** A step on the node is done. */
  applied(operation: Operation, seconds: number): void;
  /** A look at the node has ended, by failing or not. */
  turned(look: Exclude<Look, 'calls' | 'arrivals'>, seconds: number, ended: 'well' | 'failed'): void;
  /** What somebody else had changed was mended. */
  mended(): void;
  /** The audit log has been written to. */
  audited(verdict: Verdict, lines: number, leftOut: number): void;
  /** Devices have been called. */
  called(cause: CallCause, devices: number, seconds: number): void;
}

export interface AgentRecorderOptions {
  readonly metrics: Metrics;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
  /** Up to so many devices that have used the node have series of their own; 0 for none. */
  readonly devices: number;
}

/** Counts what an agent does, and looks up how its node stands before each page. */
export class AgentRecorder implements TurnRecorder {
  readonly #options: AgentRecorderOptions;
  readonly #instruments: Instruments<typeof AGENT_METRICS>;
  readonly #traffic = new PeerTraffic();
  readonly #deviceTraffic = new DeviceTraffic();
  /** What the firewall had counted at the last page; undefined before the first. */
  #refused: number | undefined;

  constructor(options: AgentRecorderOptions) {
    this.#options = options;
    this.#instruments = options.metrics.define(AGENT_METRICS);
  }

  applied({ kind }: Operation, seconds: number): void {
    this.#instruments.operations.add({ kind });
    this.#instruments.applying.observe({}, seconds);
  }

  turned(look: Exclude<Look, 'calls' | 'arrivals'>, seconds: number, ended: 'well' | 'failed'): void {
    this.#instruments.turns.observe({ look }, seconds);
    if (ended === 'failed') this.#instruments.failures.add({});
  }

  mended(): void {
    this.#instruments.mended.add({});
  }

  audited(verdict: Verdict, lines: number, leftOut: number): void {
    this.#instruments.audited.add({ verdict }, lines);
    this.#instruments.leftOut.add({ verdict }, leftOut);
  }

  called(cause: CallCause, devices: number, seconds: number): void {
    this.#instruments.called.add({ cause }, devices);
    this.#instruments.calling.observe({}, seconds);
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

  /** Asks this agent and its host before each page. */
  follow(agent: Pick<Agent, 'view' | 'notReady'>, host: Pick<Host, 'countedBy' | 'observeTracking'>): void {
    this.#options.metrics.beforePage(async () => {
      const { view } = agent;
      this.#instruments.serving.set({}, agent.notReady() === undefined ? 1 : 0);
      this.#tellPeers(view);
      this.#tellDevices(view);
      this.#tellConditions(view);
      await this.#read('refused_packets', async () =>
        this.#takeRefused((await host.countedBy(view.firewall, 'refuse'))?.packets),
      );
      await this.#read('connection_tracking', async () => this.#tellTracking(await host.observeTracking()));
    });
  }

  #tellTracking(tracking: ConnectionTracking | undefined): void {
    const { conntrackEntries, conntrackLimit } = this.#instruments;
    conntrackEntries.clear();
    conntrackLimit.clear();
    if (tracking === undefined) return;
    conntrackEntries.set({}, tracking.entries);
    if (tracking.most > 0) conntrackLimit.set({}, tracking.most);
  }

  #tellPeers({ observed, table, withoutPresharedKey, devicesAtLimit }: AgentView): void {
    const { peers, handshakes, received, sent } = this.#instruments;
    const { states, ages } = countPeers(observed, table, this.#options.clock.now());
    for (const state of PEER_STATES) peers.set({ state }, states[state]);
    for (const age of HANDSHAKE_AGES) handshakes.set({ age }, ages[age]);
    this.#instruments.withoutPresharedKey.set({}, withoutPresharedKey);
    this.#instruments.devicesAtLimit.set({}, devicesAtLimit);
    const bytes = this.#traffic.take(observed);
    received.add({}, bytes.received);
    sent.add({}, bytes.sent);
  }

  #tellDevices({ observed, table }: AgentView): void {
    const { deviceReceived, deviceSent, devicesLeftOut } = this.#instruments;
    deviceReceived.clear();
    deviceSent.clear();
    devicesLeftOut.set({}, 0);
    if (this.#options.devices === 0) return;
    const used = [...observed.values()].filter(
      ({ publicKey, latestHandshake }) => latestHandshake > 0 && table.isInUse(publicKey),
    );
    const deviceOf = (key: PublicKey) => {
      const member = table.memberWith(key);
      return member === undefined ? undefined : keyOf(member.peer.metadata);
    };
    const totals = this.#deviceTraffic.take(observed, deviceOf);
    if (used.length > this.#options.devices) devicesLeftOut.set({}, used.length);
    else
      for (const device of new Set(used.map(({ publicKey }) => deviceOf(publicKey)))) {
        const bytes = device === undefined ? undefined : totals.get(device);
        if (device === undefined || bytes === undefined) continue;
        deviceReceived.add({ device }, bytes.received);
        deviceSent.add({ device }, bytes.sent);
      }
  }

  #tellConditions({ conditions }: AgentView): void {
    this.#instruments.conditions.clear();
    for (const condition of AGENT_METRICS.conditions.labels.condition) {
      const status = conditions.find(({ type }) => type === condition)?.status;
      if (status === 'True' || status === 'False')
        this.#instruments.conditions.set({ condition }, status === 'True' ? 1 : 0);
    }
  }

  /** What was counted before the first page was counted by an agent before this one; a table that is not there has counted nothing. */
  #takeRefused(counter: number | undefined): void {
    if (this.#refused !== undefined) this.#instruments.refused.add({}, grownBy(this.#refused, counter ?? 0));
    this.#refused = counter ?? 0;
  }

  /** A reading that fails is told, and costs the page nothing else: pages are read when something is wrong. */
  async #read(reading: (typeof AGENT_METRICS.unread.labels.reading)[number], read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      this.#instruments.unread.add({ reading });
      this.#options.log.warn({ error, reading }, 'metrics lack a reading');
    }
  }
}

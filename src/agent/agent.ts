import type { Condition } from '../api/conditions.ts';
import { AGENT_MANAGER, GATEWAY_LABEL, gatewayNodeName } from '../api/names.ts';
import { ownerReferenceOf } from '../api/owner.ts';
import type { ObjectKey } from '../api/resource.ts';
import { delay } from '../k8s/clock.ts';
import { heartbeat } from '../k8s/lease.ts';
import type { PeerTable } from '../mesh/peer-table.ts';
import type { SeenPeer } from '../mesh/sessions.ts';
import type { PublicKey } from '../net/key.ts';
import type { AgentOptions } from './agent-options.ts';
import { confirmFirstList } from './first-list.ts';
import { forgetNode } from './leave.ts';
import { waitUntilGone } from './letting-go.ts';
import { nodeReport } from './node-report.ts';
import { AgentParts } from './parts.ts';
import { Turns } from './turns.ts';
import { watch } from './watching.ts';

/** What an agent has seen of its node last. */
export interface AgentView {
  readonly observed: ReadonlyMap<PublicKey, SeenPeer>;
  readonly table: Pick<PeerTable, 'isInUse' | 'memberCount' | 'memberWith'>;
  /** The name of the gateway's table. */
  readonly firewall: string;
  /** As its report has them. */
  readonly conditions: readonly Condition[];
  /** How many devices wait for their preshared key. */
  readonly withoutPresharedKey: number;
  /** How many devices may open no more connections for now. */
  readonly devicesAtLimit: number;
}

/** So long the first look at the node waits for the reports of the others. */
const REPORTS_MS = 2_000;

/**
 * Serves one gateway on one node: keeps the kernel where the resources say, probes it as a laptop would, and reports what it
 * found. It holds no state that it could not find again, so it may be killed at any moment.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #parts: AgentParts;
  readonly #turns: Turns;
  /** The node holds nothing of the gateway any more. */
  #cleaned = false;
  /** Its report is gone, too: the API server may take that later. */
  #forgotten = false;

  constructor(options: AgentOptions) {
    const { clock, log, recorder } = options;
    this.#options = options;
    this.#parts = new AgentParts({
      ...options,
      status: (before) => (this.#cleaned ? undefined : nodeReport(this.#parts, before, clock.now())),
      onApplied: (step) => this.#turns.applied(step),
    });
    this.#turns = new Turns({ parts: this.#parts, clock, log, recorder });
  }

  /** Why the agent does not serve; undefined when it does. */
  notReady(): string | undefined {
    const { retries, sync, releasing } = this.#parts;
    if (retries.failure !== undefined) return retries.failure.message;
    if (sync.appliedResourceVersion !== undefined) return releasing.unwell;
    return sync.waitsForGrants
      ? 'not every MeshAccess, Service and Namespace has been seen yet, so the node stays as it is'
      : 'the first plan has not been applied yet';
  }

  get view(): AgentView {
    const { sync, reporter, tracking } = this.#parts;
    return {
      observed: sync.observedPeers,
      table: sync.table,
      firewall: sync.names.table,
      conditions: reporter.written?.conditions ?? [],
      withoutPresharedKey: [...sync.withoutPresharedKey()].length,
      devicesAtLimit: tracking.full.length,
    };
  }

  /** Whether the node holds nothing of the gateway any more, and that is told. */
  get isClean(): boolean {
    return this.#forgotten;
  }

  /** Works until the signal is aborted, and the kernel keeps what it has then; or until a gateway comes back after its deletion. */
  async run(signal: AbortSignal): Promise<void> {
    if (!(await this.#begin(signal))) return;
    const { retries, expiry, keyChanges, repairs, sync, probing, tracking, configurations, reporter } = this.#parts;
    watch(this.#options, this.#parts, signal);
    const living = new AbortController();
    const alive = AbortSignal.any([signal, living.signal]);
    const lasting = [this.#beat(alive), probing.run(alive), tracking.run(alive), this.#takeOver(alive)];
    await this.#turnForever(signal, () => living.abort());
    for (const part of [retries, expiry, keyChanges, repairs, sync]) part.close();
    await Promise.all([...lasting, this.#turns.end()]);
    configurations.close();
    await this.#options.probe.close();
    if (!this.#cleaned) await reporter.stop();
  }

  /**
   * Before the program ends: where the data plane would end with it, or soon after because the node is to be cleaned, its devices are let go, those with
   * open connections last, and it waits for a while until other nodes have called them.
   */
  async letGo(isLeaving: boolean): Promise<void> {
    const { sync, releasing, reporter } = this.#parts;
    const endsToo = isLeaving || sync.state?.device?.dataplane === 'Userspace';
    if (!endsToo || sync.gateway?.spec.takeover.enabled !== true || this.#ownSessions().length === 0) return;
    await waitUntilGone({
      releasing,
      ownSessions: () => this.#ownSessions(),
      onReport: () => reporter.changedNow(),
      clock: this.#options.clock,
    });
  }

  /** Takes everything off the node and the report out of the API; what is done of that is not done again. */
  async cleanUp(): Promise<void> {
    const { configurations, sync, reporter } = this.#parts;
    configurations.close();
    if (!this.#cleaned) await sync.cleanUp();
    this.#cleaned = true;
    await reporter.stop();
    await forgetNode(this.#options.client, this.#options);
    this.#forgotten = true;
    this.#options.log.info({}, 'the node is clean');
  }

  /** Waits for what the first look at the node needs. Says whether that came before the signal was aborted. */
  async #begin(signal: AbortSignal): Promise<boolean> {
    const { gateways, peers, reports, clock } = this.#options;
    try {
      await Promise.all([gateways.whenSynced(signal), peers.whenSynced(signal), this.#parts.reporter.start()]);
      // So that the keys of nodes that ask are not taken out first; but nothing depends on the others' reports.
      await Promise.race([reports.whenSynced(signal), delay(clock, REPORTS_MS, signal)]);
      await this.#confirmPeers();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }

  async #confirmPeers(): Promise<void> {
    const { gateway, peers, host, client, clock, log } = this.#options;
    // A node that cannot be looked at says why in its first turn.
    const untold = (error: unknown) => log.warn({ error }, 'the first list of MeshPeers is believed without a look');
    const held = await host.observePeers(this.#parts.sync.names.device).catch(untold);
    if (held !== undefined) await confirmFirstList({ gateway, held, listed: peers.values(), now: clock.now() }, client);
  }

  async #turnForever(signal: AbortSignal, onLeaving: () => void): Promise<void> {
    const { wake, sync, retries, configurations, reporter, keyChanges } = this.#parts;
    const { clock } = this.#options;
    for (let look = await wake.next(signal); look !== undefined; look = await wake.next(signal)) {
      if (this.#cleaned && this.#isThere()) return;
      if (this.#forgotten) continue;
      const began = clock.monotonic();
      if (this.#cleaned || sync.gateway?.metadata.deletionTimestamp !== undefined) {
        onLeaving();
        await this.cleanUp().catch((error: unknown) => retries.failed(error, began));
      } else if (!(await this.#turns.take(look))) continue;
      if (this.#cleaned) continue;
      configurations.follow();
      reporter.changed();
      keyChanges.follow(look === 'peers' ? clock.monotonic() - began : undefined);
    }
  }

  /** Whether there is a gateway of this name that is there to stay. */
  #isThere(): boolean {
    const { gateway } = this.#parts.sync;
    return gateway !== undefined && gateway.metadata.deletionTimestamp === undefined;
  }

  /** Of devices that have none with another node. Those of a gateway that is being deleted are taken over by nobody. */
  #ownSessions(): readonly ObjectKey[] {
    if (!this.#isThere() || this.#cleaned) return [];
    const { reporter, takeover } = this.#parts;
    const told = reporter.written?.connections ?? [];
    return told.map(({ peer }) => peer as ObjectKey).filter((peer) => !takeover.isShared(peer));
  }

  async #takeOver(signal: AbortSignal): Promise<void> {
    try {
      await this.#options.reports.whenSynced(signal);
      this.#parts.takeover.start(signal);
      this.#parts.movedFlows.start(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { client, clock, namespace, identity, gateway, node, log } = this.#options;
    const owner = this.#parts.sync.gateway;
    await heartbeat(client, {
      ...(owner === undefined ? {} : { owner: ownerReferenceOf(owner) }),
      name: gatewayNodeName(gateway, node),
      namespace,
      labels: { [GATEWAY_LABEL]: gateway },
      identity,
      fieldManager: AGENT_MANAGER,
      clock,
      signal,
      onFailure: (error) => log.warn({ error }, 'Lease not renewed'),
    });
  }
}

import { findCondition, isTrue } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import type { ControllerRun } from '../k8s/controller.ts';
import type { ReflectorNotice } from '../k8s/reflector.ts';
import type { Store } from '../k8s/store.ts';
import type { Instruments, Metrics } from '../runtime/metrics.ts';
import { DEVICE_STATES, OPERATOR_METRICS, RECONCILED, type Reconciled } from './metrics.ts';

/** What a leader has to show. */
export interface Led {
  readonly peers: Pick<Store<MeshPeer>, 'values'>;
  readonly gateways: Pick<Store<MeshGateway>, 'values'>;
  /** How many objects of a kind wait for their turn. */
  readonly waiting: (kind: Reconciled) => number;
}

/** Counts what an operator does, and looks up what it leads before each page. */
export class OperatorRecorder {
  readonly #instruments: Instruments<typeof OPERATOR_METRICS>;
  #led: Led | undefined;

  constructor(metrics: Metrics) {
    this.#instruments = metrics.define(OPERATOR_METRICS);
    this.#instruments.leader.set({}, 0);
    metrics.beforePage(() => this.#tell());
  }

  /** This operator has become the leader, or has ceased to be it. */
  leads(isLeader: boolean): void {
    this.#instruments.leader.set({}, isLeader ? 1 : 0);
    if (!isLeader) this.#led = undefined;
  }

  /** The leader has seen everything once; from now on it is asked before each page. */
  shows(led: Led): void {
    this.#led = led;
  }

  reconciled(kind: Reconciled, run: ControllerRun): void {
    this.#instruments.reconciles.observe({ kind }, run.tookMs / 1_000);
    if (run.kind === 'failed') this.#instruments.failures.add({ kind });
  }

  /** What a watch says of itself. */
  watched(resource: string, notice: ReflectorNotice): void {
    if (notice.kind === 'disconnected') this.#instruments.watchRestarts.add({ resource });
  }

  #tell(): void {
    const { peers, refused, conditions, selected, ready, waiting } = this.#instruments;
    for (const one of [peers, refused, conditions, selected, ready, waiting]) one.clear();
    if (this.#led === undefined) return;
    for (const kind of RECONCILED) waiting.set({ kind }, this.#led.waiting(kind));
    this.#tellPeers(this.#led.peers.values());
    for (const gateway of this.#led.gateways.values()) this.#tellGateway(gateway);
  }

  #tellPeers(all: Iterable<MeshPeer>): void {
    const states = new Map<(typeof DEVICE_STATES)[number], number>(DEVICE_STATES.map((state) => [state, 0]));
    const refusals = new Map<string, number>();
    for (const { status } of all) {
      const conditions = status?.conditions ?? [];
      const accepted = findCondition(conditions, 'Accepted');
      const state = stateOf(accepted?.status, isTrue(conditions, 'Connected'));
      states.set(state, (states.get(state) ?? 0) + 1);
      if (state === 'refused' && accepted !== undefined)
        refusals.set(accepted.reason, (refusals.get(accepted.reason) ?? 0) + 1);
    }
    for (const [state, count] of states) this.#instruments.peers.set({ state }, count);
    for (const reason of OPERATOR_METRICS.refused.labels.reason)
      this.#instruments.refused.set({ reason }, refusals.get(reason) ?? 0);
  }

  #tellGateway({ metadata: { name: gateway }, status }: MeshGateway): void {
    const { conditions, selected, ready } = this.#instruments;
    selected.set({ gateway }, status?.nodes?.selected ?? 0);
    ready.set({ gateway }, status?.nodes?.ready ?? 0);
    for (const condition of OPERATOR_METRICS.conditions.labels.condition) {
      const known = findCondition(status?.conditions ?? [], condition)?.status;
      if (known === 'True' || known === 'False') conditions.set({ gateway, condition }, known === 'True' ? 1 : 0);
    }
  }
}

function stateOf(accepted: string | undefined, isConnected: boolean): (typeof DEVICE_STATES)[number] {
  if (accepted === 'False') return 'refused';
  if (accepted !== 'True') return 'undecided';
  return isConnected ? 'connected' : 'idle';
}

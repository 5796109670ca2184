import type { MeshGatewayNodeStatus } from '../api/meshgatewaynode.ts';
import { describeOperation, type Operation } from '../dataplane/operation.ts';
import { type FullDevice, tooManyConnections } from '../mesh/connection-tracking.ts';
import { reachesServices } from '../mesh/probe-standing.ts';
import type { Topology } from '../mesh/topology.ts';
import type { AgentOptions } from './agent-options.ts';
import { AuditTrail } from './audit-trail.ts';
import { DeviceConfigurations } from './device-configurations.ts';
import { Expiry } from './expiry.ts';
import { ForeignRules } from './foreign-rules.ts';
import { GrantedAccess } from './granted-access.ts';
import { KeyChanges } from './key-changes.ts';
import { MovedFlows } from './moved-flows.ts';
import { NodeSync } from './node-sync.ts';
import { NodeTracking, type TrackingBounds } from './node-tracking.ts';
import { Probing } from './probing.ts';
import { Releasing } from './releasing.ts';
import { Repairs } from './repairs.ts';
import { Reporter } from './reporter.ts';
import { Retries } from './retries.ts';
import { Takeover } from './takeover.ts';
import { Wake } from './wake.ts';

export interface PartsOptions extends AgentOptions {
  /** The node's report as of now; undefined while there is nothing to report on. */
  readonly status: (before: MeshGatewayNodeStatus | undefined) => MeshGatewayNodeStatus | undefined;
  /** A step has been done on the node. */
  readonly onApplied: (operation: Operation) => void;
}

/** What an agent is made of, and what each part has the others do. */
export class AgentParts {
  readonly wake = new Wake();
  readonly retries: Retries;
  readonly access: GrantedAccess;
  readonly sync: NodeSync;
  readonly expiry: Expiry;
  readonly reporter: Reporter;
  readonly probing: Probing;
  readonly foreign: ForeignRules;
  readonly tracking: NodeTracking;
  readonly repairs: Repairs;
  readonly keyChanges: KeyChanges;
  readonly audit: AuditTrail;
  readonly takeover: Takeover;
  readonly movedFlows: MovedFlows;
  readonly releasing: Releasing;
  readonly configurations: DeviceConfigurations;
  readonly #options: PartsOptions;

  constructor(options: PartsOptions) {
    const { clock, log, recorder } = options;
    const changed = () => this.reporter.changed();
    this.#options = options;
    this.retries = new Retries({ clock, log, onDue: () => this.wake.wish('all') });
    this.access = new GrantedAccess(options.followAccess, () => this.#takeGrants());
    this.sync = new NodeSync({
      ...options,
      access: this.access,
      full: () => this.tracking.full.flatMap(({ addresses }) => addresses),
      onOperation: (operation) => log.info({ operation: describeOperation(operation) }, 'apply'),
      onApplied: (operation, seconds) => {
        options.onApplied(operation);
        recorder?.applied(operation, seconds);
      },
      onUnended: (error) => this.#tellUnended(error),
    });
    const { sync } = this;
    this.expiry = new Expiry({ sync, access: this.access, clock, onExpired: () => this.wake.wish('touched') });
    this.reporter = new Reporter({
      ...options,
      owner: () => sync.gateway,
      onFailure: (error) => log.warn({ error }, 'report not written'),
    });
    this.probing = new Probing({
      ...options,
      target: () => (sync.appliedResourceVersion === undefined ? undefined : sync.topology()),
      onProbe: () => {
        void this.foreign.probed(this.probing.verdict);
        changed();
      },
    });
    this.foreign = new ForeignRules({ ...options, names: sync.names, onLook: changed });
    this.tracking = new NodeTracking({
      ...options,
      table: sync.table,
      bounds: () => boundsOf(sync.topology()),
      onLook: changed,
      onFull: (added) => this.#takeFull(added),
    });
    this.repairs = new Repairs({
      ...options,
      sync,
      onDue: () => this.wake.wish('all'),
      onMended: () => recorder?.mended(),
    });
    this.keyChanges = new KeyChanges({ table: sync.table, clock, onLook: () => this.wake.wish('peers') });
    this.audit = new AuditTrail({
      ...options,
      sync,
      access: this.access,
      onAudited: (...told) => recorder?.audited(...told),
    });
    this.takeover = new Takeover({
      ...options,
      sync,
      identity: { publicKey: options.probeKey, addresses: [...options.addresses] },
      onCalled: (...called) => recorder?.called(...called),
      reachesServices: () => reachesServices(this.probing.verdict),
      onUnwell: () => this.probing.hurry(),
      onNews: () => this.reporter.changedNow(),
      onDue: (look) => this.wake.wish(look),
    });
    this.movedFlows = new MovedFlows({
      ...options,
      sync,
      onCalled: (...called) => recorder?.called(...called),
      onDue: (look) => this.wake.wish(look),
      onFreed: (freed) => this.takeover.leaveToBalancer(freed),
    });
    this.releasing = new Releasing({
      ...options,
      sync,
      taker: () => this.takeover.taker,
      reachesServices: () => reachesServices(this.probing.verdict) !== false,
    });
    this.configurations = new DeviceConfigurations({ ...options, sync, onProblem: changed });
  }

  #takeGrants(): void {
    this.sync.grantsChanged();
    this.expiry.arm();
    this.wake.wish(this.sync.isOverdue ? 'all' : 'touched');
  }

  /** What is open and should not be harms nobody else, so turns go on. */
  #tellUnended(error: unknown): void {
    const { log } = this.#options;
    if (error === undefined) log.info({}, 'connections that are let in no more have been ended');
    else log.error({ error }, 'connections that are let in no more could not be ended yet');
    this.reporter.changed();
  }

  /** Who has too many connections open is refused more from the next step on. */
  #takeFull(added: readonly FullDevice[]): void {
    const { events, node } = this.#options;
    const { gateway } = this.sync;
    this.sync.grantsChanged();
    this.wake.wish('touched');
    if (gateway === undefined || added.length === 0) return;
    events.record({
      regarding: gateway,
      type: 'Warning',
      reason: 'TooManyConnections',
      action: 'Refuse',
      note: tooManyConnections(node, added, gateway.spec.access.maxConnections),
    });
  }
}

function boundsOf(topology: Topology | undefined): TrackingBounds | undefined {
  return topology && { pool: topology.pool, limit: topology.gateway.spec.access.maxConnections };
}

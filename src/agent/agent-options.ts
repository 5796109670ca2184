import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import type { Host } from '../host/host.ts';
import type { Client } from '../k8s/client.ts';
import type { EventRecorder } from '../k8s/events.ts';
import type { Store } from '../k8s/store.ts';
import type { IpAddress } from '../net/address.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Listen } from './device-configurations.ts';
import type { AccessStores } from './granted-access.ts';
import type { TurnRecorder } from './recorder.ts';
import type { ServiceProbe } from './service-probe.ts';
import type { TakeoverOptions } from './takeover.ts';

/** What an agent serves, and by what it reaches its node, the API server, its devices and the other nodes. */
export interface AgentOptions {
  readonly gateway: string;
  readonly node: string;
  readonly namespace: string;
  readonly identity: string;
  readonly gateways: Store<MeshGateway>;
  readonly peers: Store<MeshPeer>;
  /** Begins to follow what grants access; called when the gateway first denies by default. */
  readonly followAccess: () => AccessStores;
  readonly client: Client;
  readonly host: Host;
  readonly probe: Pick<ServiceProbe, 'run' | 'close'>;
  readonly probeKey: PublicKey;
  /** The reports of all the gateway's nodes, how this one asks others whether they live, and at which of its addresses it is asked. */
  readonly reports: TakeoverOptions['reports'];
  readonly ask: TakeoverOptions['ask'];
  readonly addresses: readonly IpAddress[];
  readonly events: EventRecorder;
  readonly listen: Listen;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the audit log goes, whatever the level of the other one. */
  readonly audit: Log;
  readonly recorder?: TurnRecorder;
}

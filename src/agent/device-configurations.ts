import { planClient } from '../mesh/client.ts';
import { CONFIGURATION_PORT } from '../mesh/client-configuration.ts';
import { wgQuick } from '../mesh/wg-quick.ts';
import { addressesIn, type IpAddress } from '../net/address.ts';
import { hostCidr } from '../net/cidr.ts';
import type { Log } from '../runtime/log.ts';
import { answerTo, type Told } from './configuration-answer.ts';
import type { ConfigurationListeners, ConfigurationListenersOptions } from './configuration-listeners.ts';
import type { NodeSync } from './node-sync.ts';

/** Makes what listens for devices; tests give another one. */
export type Listen = (
  options: ConfigurationListenersOptions,
) => Pick<ConfigurationListeners, 'follow' | 'close' | 'problem'>;

export interface DeviceConfigurationsOptions {
  readonly sync: Pick<NodeSync, 'judged' | 'state' | 'table' | 'topology'>;
  readonly listen: Listen;
  readonly onProblem: () => void;
  readonly log: Log;
}

/**
 * Gives each device that the gateway lets in its present configuration, at the gateway's mesh addresses as far as the node has
 * them: what MeshPeer.status.config says, with every endpoint.
 */
export class DeviceConfigurations {
  readonly #sync: DeviceConfigurationsOptions['sync'];
  readonly #listeners: ReturnType<Listen>;

  constructor({ sync, listen, onProblem, log }: DeviceConfigurationsOptions) {
    this.#sync = sync;
    this.#listeners = listen({
      port: CONFIGURATION_PORT,
      answer: (question) => answerTo(question, (device) => this.#tell(device)),
      onProblem,
      log,
    });
  }

  /** Why devices get no answer here, as a sentence with the remedy; undefined when they get one. */
  get problem(): string | undefined {
    return this.#listeners.problem;
  }

  /** Listens where the interface has the gateway's addresses by now; to be called after every look at the node. */
  follow(): void {
    const present = this.#sync.state?.device?.addresses ?? [];
    const own = this.#sync.topology()?.addresses ?? [];
    this.#listeners.follow(own.filter((address) => present.includes(hostCidr(address))));
  }

  close(): void {
    this.#listeners.close();
  }

  #tell(device: IpAddress): Told {
    const peer = this.#sync.table.memberAt(device)?.peer;
    if (peer === undefined) return { missing: 'device' };
    const gateways = (peer.status?.gateways ?? []).flatMap((name) => this.#sync.judged.topology(name) ?? []);
    const attachment = { addresses: addressesIn(peer.status?.addresses ?? []), gateways };
    const configuration = planClient(peer, attachment, Number.POSITIVE_INFINITY);
    return configuration === undefined ? { missing: 'gateway' } : { text: wgQuick(configuration) };
  }
}

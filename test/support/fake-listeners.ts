import type { Answer } from '../../src/agent/configuration-answer.ts';
import type { ConfigurationListenersOptions } from '../../src/agent/configuration-listeners.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { endpointOf } from '../../src/net/endpoint.ts';

/** Stands for an agent's ConfigurationListeners: a request is a call, and every address of the node can be listened at. */
export class FakeListeners {
  /** Where is listened now. */
  addresses: readonly IpAddress[] = [];
  /** What another program's listener would have the agent say. */
  problem: string | undefined;
  #options: ConfigurationListenersOptions | undefined;

  /** Takes the part of the agent's listeners. */
  take(options: ConfigurationListenersOptions): this {
    this.#options = options;
    return this;
  }

  follow(addresses: readonly IpAddress[]): void {
    this.addresses = addresses;
  }

  close(): void {
    this.addresses = [];
  }

  /** What a device with this address is answered. @throws where nobody listens. */
  get(from: string, ifNoneMatch?: string): Answer {
    const [address] = this.addresses;
    if (address === undefined || this.#options === undefined) throw new Error('nobody listens');
    const at = endpointOf(address, this.#options.port);
    return this.#options.answer({ method: 'GET', path: '/', host: at, at, from, ifNoneMatch });
  }
}

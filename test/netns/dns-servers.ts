import type { Running } from '../../src/host/exec.ts';
import { startProgram } from './mesh.ts';
import type { Namespace } from './namespace.ts';

/** DNS servers of a namespace, each with one answer to every name, that remember what they were asked. */
export class DnsServers {
  readonly #addresses: readonly string[];
  readonly #running: Promise<Running>;
  readonly #asked: string[] = [];
  #onMark: () => void = () => undefined;

  private constructor(namespace: Namespace, answers: Readonly<Record<string, string>>) {
    this.#addresses = Object.keys(answers);
    const pairs = Object.entries(answers).map(([address, answer]) => `${address}=${answer}`);
    this.#running = startProgram(namespace.commands, `stub-dns.ts ${pairs.join(' ')}`, (line) => {
      if (line === 'mark') this.#onMark();
      else if (line !== 'ready') this.#asked.push(line);
    });
  }

  /** `answers` is what each address answers. */
  static async start(namespace: Namespace, answers: Readonly<Record<string, string>>): Promise<DnsServers> {
    const servers = new DnsServers(namespace, answers);
    await servers.#running;
    return servers;
  }

  /** The names that each server was asked since the last call, without repetitions; all of those that were answered before this one. */
  async asked(): Promise<Readonly<Record<string, readonly string[]>>> {
    const mark = Promise.withResolvers<void>();
    this.#onMark = mark.resolve;
    const { pid } = await this.#running;
    // Its lines come in their order, so with the mark all that were written before have come.
    if (pid !== undefined) process.kill(pid, 'SIGUSR2');
    await mark.promise;
    const lines = this.#asked.splice(0).map((line) => line.split(' '));
    const names = (address: string) => lines.filter(([at]) => at === address).map(([, name = '']) => name);
    return Object.fromEntries(this.#addresses.map((address) => [address, [...new Set(names(address))]]));
  }

  async stop(): Promise<void> {
    const running = await this.#running;
    await running.stop();
  }
}

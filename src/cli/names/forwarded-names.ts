import type { SplitNames } from '../../laptop/names/split-names.ts';
import { Changes } from './changes.ts';
import { Forwarder } from './forwarder.ts';
import { locked } from './lock.ts';
import type { OpenNames, OpenNamesOptions } from './open-names.ts';
import { type Placed, type Placement, plainPlacement, resolvconfPlacement } from './placement.ts';
import { reasonOf } from './reason.ts';
import {
  leaveNoFolder,
  type NamesRecord,
  readRecords,
  recordFolder,
  recordOf,
  removeRecord,
  sortedOut,
  writeRecord,
} from './records.ts';

/** Loopback addresses that nobody else uses: systemd-resolved has 127.0.0.53, distributions 127.0.1.1. */
const ADDRESSES = Array.from({ length: 16 }, (_, index) => `127.0.53.${53 + index}`);

/** Names that our own forwarder splits, for systems that cannot; it stays where others would write their servers. */
export class ForwardedNames implements OpenNames {
  readonly backend: NamesRecord['backend'];
  readonly address: string;
  #record: NamesRecord;
  readonly #options: OpenNamesOptions;
  readonly #forwarder: Forwarder;
  readonly #placement: Placement;
  readonly #changes: Changes;
  #isClosed: boolean;

  private constructor(record: NamesRecord, options: OpenNamesOptions, forwarder: Forwarder) {
    const { paths, commands } = options;
    this.backend = record.backend;
    this.address = forwarder.address;
    this.#record = { ...record, address: forwarder.address };
    this.#options = options;
    this.#forwarder = forwarder;
    this.#placement = record.backend === 'resolvconf' ? resolvconfPlacement(paths, commands) : plainPlacement(paths);
    this.#changes = new Changes(() => this.#follow());
    this.#isClosed = false;
  }

  static async open(record: NamesRecord, options: OpenNamesOptions): Promise<ForwardedNames> {
    const routes = { clusters: [record.names], former: [] };
    const forwarder = await Forwarder.open({ addresses: ADDRESSES, routes });
    const names = new ForwardedNames(record, options, forwarder);
    try {
      await locked(options.paths, async () => {
        await writeRecord(options.paths, names.#record);
        await names.#settle();
      });
    } catch (error) {
      await names.close();
      throw new Error(`${record.backend} does not take the names of the cluster: ${reasonOf(error)}`, { cause: error });
    }
    return names;
  }

  get search(): readonly string[] {
    return this.#record.names.search;
  }

  async update(names: SplitNames): Promise<void> {
    const { paths } = this.#options;
    await locked(paths, async () => {
      if (this.#isClosed) return;
      this.#record = recordOf(this.#record, names);
      await writeRecord(paths, this.#record);
      await this.#settle();
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#changes.close();
    await locked(this.#options.paths, async () => {
      await removeRecord(this.#options.paths, this.#record);
      await this.#placement.place(await this.#colleagues());
      await leaveNoFolder(this.#options.paths);
      // Last: until now somebody might still ask it.
    }).finally(() => this.#forwarder.close());
  }

  /** Somebody changed something that concerns us, or a colleague came or went. Tells whether ours had to be put back. */
  async #follow(): Promise<boolean> {
    const { paths, onNote } = this.#options;
    try {
      const placed = await locked(paths, async () => (this.#isClosed ? undefined : this.#settle()));
      if (placed?.wasReplaced !== true) return false;
      onNote(
        `the DNS servers of this machine changed; names outside of the cluster are asked of ${listOf(placed.former)} now`,
      );
      return true;
    } catch (error) {
      onNote(`names of the cluster may not be found: ${reasonOf(error)}`);
      return true;
    }
  }

  async #settle(): Promise<Placed> {
    const records = await this.#colleagues();
    const placed = await this.#placement.place(records);
    this.#forwarder.follow({ clusters: records.map(({ names }) => names), former: placed.former });
    this.#changes.watch([...placed.watched, `${recordFolder(this.#options.paths)}/`]);
    return placed;
  }

  /** All profiles whose names are asked the same way, and this one while it is open. */
  async #colleagues(): Promise<readonly NamesRecord[]> {
    const { live } = await sortedOut(await readRecords(this.#options.paths));
    return live.filter(({ backend }) => backend === this.backend);
  }
}

function listOf(servers: readonly string[]): string {
  return servers.length === 0 ? 'nobody' : servers.join(', ');
}

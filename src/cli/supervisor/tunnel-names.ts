import type { Commands } from '../../host/exec.ts';
import { splitNames } from '../../laptop/names/split-names.ts';
import type { Profile } from '../../laptop/profile.ts';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { type OpenNames, openNames } from '../names/open-names.ts';
import { SYSTEM_PATHS } from '../names/paths.ts';
import { UserError } from '../output.ts';

export interface TunnelNamesOptions {
  readonly profile: Profile;
  readonly commands: Commands;
  /** All names are asked in the cluster, and none anywhere else. */
  readonly everything: boolean;
  /** Is told what somebody should know. */
  readonly notify: (text: string) => void;
}

/** Sends the names of a tunnel's cluster into it. */
export class TunnelNames {
  readonly #options: TunnelNamesOptions;
  #open: OpenNames | undefined;

  constructor(options: TunnelNamesOptions) {
    this.#options = options;
  }

  /** How names are split, in words; undefined while they are not. */
  get text(): string | undefined {
    if (this.#open === undefined) return undefined;
    const { backend, address } = this.#open;
    const by = address === undefined ? backend : `${backend}, by a forwarder at ${address}`;
    return this.#options.everything ? `${by}; all of them in the cluster` : by;
  }

  /**
   * Brings names to what the configuration says. Names that cannot be set up are told, and are no reason to have no tunnel. Returns what
   * was done for the first time. @throws {UserError} when the configuration's own words cannot be names, or where all names shall go there and cannot
   */
  async sync(configuration: ClientConfiguration): Promise<readonly string[]> {
    const { everything } = this.#options;
    const wished = splitNames(configuration, { hasShortNames: true, everything });
    if (!wished.ok) throw new UserError(`the names of the cluster: ${wished.problem}`);
    if (wished.value === undefined) {
      await this.close();
      return [];
    }
    const { profile, commands, notify } = this.#options;
    try {
      if (this.#open !== undefined) {
        await this.#open.update(wished.value);
        return [];
      }
      const place = { profile: profile.name, device: profile.device, paths: SYSTEM_PATHS };
      this.#open = await openNames({ ...place, names: wished.value, commands, onNote: notify });
      const which = everything ? 'all names' : `names below ${configuration.dns?.domain}`;
      return [`ask the cluster for ${which} (${this.#open.backend})`];
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      // Nobody else may be asked then, so this machine would be left without names.
      if (everything && this.#open === undefined)
        throw new UserError(`not all names can be sent into the cluster: ${why}; mend that, or leave out --full`);
      notify(`names are not set up: ${why}`);
      return [];
    }
  }

  /** Puts back what was there. */
  async close(): Promise<void> {
    await this.#open?.close();
    this.#open = undefined;
  }
}

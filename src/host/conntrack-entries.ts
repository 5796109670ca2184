import type { Flow, FlowPort } from '../dataplane/nftables/ruleset.ts';
import { type IpAddress, parseAddress } from '../net/address.ts';
import { type Cidr, cidrFamily, cidrLength, hostCidr } from '../net/cidr.ts';
import type { Commands } from './exec.ts';
import { ExecError } from './exec-error.ts';

/** A table of millions of entries is printed in seconds; what takes longer than this, in milliseconds, hangs. */
const LIST_MS = 60_000;
/** Protocol and its number, then source, destination and perhaps ports of the original direction. */
const DIALLED = /^([a-z0-9-]+ +\d+) .*? src=(\S+) dst=(\S+)(?: sport=\d+ dport=(\d+))?/;
/** So many addresses are remembered at a time: a scan may have dialled millions. */
const ADDRESSES = 65_536;

/**
 * Reads the entries that came from the prefix, line by line and never all at once: a full table is hundreds of megabytes of text.
 * @throws {ExecError}
 */
export async function listEntries(commands: Commands, source: Cidr, onLine: (line: string) => void): Promise<void> {
  const match = cidrLength(source) === 0 ? [] : ['-s', source];
  const argv = ['conntrack', '-L', '-f', `ipv${cidrFamily(source)}`, ...match];
  const running = commands.start(argv, onLine);
  let timedOut = false;
  const impatience = setTimeout(() => {
    timedOut = true;
    void running.stop();
  }, LIST_MS);
  const exit = await running.exited;
  clearTimeout(impatience);
  if (exit.exitCode !== 0) throw new ExecError({ argv, ...exit, timedOut });
}

/** Who opened the entry that a line of `conntrack -L` tells, as it is spelt there: the first `src=`. */
export function flowSource(line: string): string | undefined {
  return / src=(\S+)/.exec(line)?.[1];
}

/** The same text, free of the line that it was cut from, which would be kept in memory with it. */
export function detached(word: string): string {
  return Buffer.from(word).toString();
}

interface Spelt {
  readonly address: IpAddress;
  readonly host: Cidr;
}

/** Reads what was dialled from the lines of one `conntrack -L`: a hundred thousand of them are about a few devices and Services. */
export class DialledReader {
  readonly #addresses = new Map<string, Spelt | undefined>();
  readonly #open = new Map<string, FlowPort>();

  /** The first source, destination and port of a line, or undefined where it has none. */
  read(line: string): Flow | undefined {
    const [, dialled, source = '', destination = '', port] = DIALLED.exec(line) ?? [];
    if (dialled === undefined) return undefined;
    const [from, to] = [this.#address(source), this.#address(destination)];
    if (from === undefined || to === undefined) return undefined;
    return { source: from.address, destination: to.host, open: this.#portOf(dialled, port) };
  }

  #address(word: string): Spelt | undefined {
    const known = this.#addresses.get(word);
    if (known !== undefined || this.#addresses.has(word)) return known;
    if (this.#addresses.size >= ADDRESSES) this.#addresses.clear();
    const own = detached(word);
    const address = parseAddress(own);
    const spelt = address.ok ? { address: address.value, host: hostCidr(address.value) } : undefined;
    this.#addresses.set(own, spelt);
    return spelt;
  }

  #portOf(dialled: string, port: string | undefined): FlowPort {
    const key = `${dialled} ${port}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const [name = '', number = ''] = detached(dialled).split(/ +/);
    const open = { protocol: name === 'unknown' ? number : name, port: port === undefined ? undefined : Number(port) };
    this.#open.set(key, open);
    return open;
  }
}

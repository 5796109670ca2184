import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Site } from './addresses.ts';
import type { Tools } from './binaries.ts';
import type { ExecOptions, ExecResult } from './exec.ts';
import { plugIn } from './network.ts';
import { resolvconfFolders } from './openresolv.ts';
import { execInside, insidePath, killNamespace, openMember, type Sandbox } from './sandbox.ts';

/** Something that a laptop asked of the network, and how it ended; without a code it has not ended yet. */
export interface Flow {
  readonly argv: readonly string[];
  readonly options: ExecOptions;
  readonly code?: number;
}

/** The programs by which tests ask something of the network; the last one runs those of this folder. */
const ASKING: ReadonlySet<string> = new Set(['curl', 'ping', 'getent', 'timeout', process.execPath]);

/**
 * Somebody's computer on the underlay, outside of the cluster. It has its own /etc (resolv.conf, wireguard), /run and
 * /var, a stock wg-quick that falls back to wireguard-go, and a working resolvconf.
 */
export class Laptop {
  readonly name: string;
  readonly address: string;
  readonly sandbox: Sandbox;
  readonly #tools: Tools;
  #lastFlow: Flow | undefined;

  constructor(name: string, address: string, sandbox: Sandbox, tools: Tools) {
    this.name = name;
    this.address = address;
    this.sandbox = sandbox;
    this.#tools = tools;
  }

  /** Runs a command on it, as root. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const asks = ASKING.has(argv[0] ?? '');
    if (asks) this.#lastFlow = { argv, options };
    const result = await execInside(this.sandbox, argv, { ...options, env: { ...this.environment, ...options.env } });
    if (asks) this.#lastFlow = { argv, options, code: result.code };
    return result;
  }

  /** What it asked of the network last. */
  get lastFlow(): Flow | undefined {
    return this.#lastFlow;
  }

  /** Writes a file on it; nobody but root may read it unless `mode` says otherwise. */
  async writeFile(path: string, content: string, mode = 0o600): Promise<void> {
    const file = insidePath(this.sandbox, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content, { mode });
  }

  /** Ends it, as a power failure does. */
  kill(): Promise<void> {
    return killNamespace(this.sandbox.init);
  }

  /** What its commands find in their environment. */
  get environment(): Readonly<Record<string, string>> {
    return { PATH: this.#tools.searchPath, WG_QUICK_USERSPACE_IMPLEMENTATION: 'wireguard-go' };
  }
}

/** Starts a laptop and plugs it in. */
export async function startLaptop(
  lab: Sandbox,
  tools: Tools,
  { name, index, site }: { readonly name: string; readonly index: number; readonly site: Site },
): Promise<Laptop> {
  const sandbox = await openMember({ parent: lab, name, overUsr: await resolvconfFolders() });
  const address = site.laptopAddress(index);
  await plugIn({ lab, member: sandbox, port: `laptop${index}`, address, gateway: site.controlPlane });
  return new Laptop(name, address, sandbox, tools);
}

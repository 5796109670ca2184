import { agentOf } from '../../lab/gateway-node.ts';
import type { LabNode } from '../../lab/node.ts';

/**
 * Runs among an agent's mounts. Asks wireguard-go's own socket every 2 ms which peers it has, and says when each was first seen, by the clock
 * that all processes of the machine share.
 */
const PROGRAM = `
const { connect } = require('node:net');
const seen = new Set();
const look = () => {
  const socket = connect(process.argv[1]);
  let text = '';
  socket.on('data', (chunk) => { text += chunk; if (text.endsWith('\\n\\n')) socket.destroy(); });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    const now = process.hrtime.bigint();
    for (const [, key] of text.matchAll(/^public_key=([0-9a-f]{64})$/gm)) {
      if (seen.has(key)) continue;
      seen.add(key);
      console.log(now + ' ' + key);
    }
    setTimeout(look, 2);
  });
  socket.on('connect', () => socket.write('get=1\\n\\n'));
};
look();
`;

/** Where it is among the agent's mounts. */
const SOCKET = '/run/wireguard/wg-default.sock';

/** When each peer, by the hexadecimal text of its key, was first seen in a node's interface. */
export class DeviceWatch {
  readonly #seen = new Map<string, number>();
  readonly #waiting = new Map<string, (at: number) => void>();
  readonly #ending = new AbortController();

  /** Watches until `stop`. */
  static async start(node: LabNode): Promise<DeviceWatch> {
    const watch = new DeviceWatch();
    const agent = await agentOf(node);
    if (agent === undefined) throw new Error(`no agent runs on ${node.name}`);
    let rest = '';
    const take = (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) watch.#take(line);
    };
    void node
      .exec(['nsenter', '-t', agent, '-m', 'node', '-e', PROGRAM, SOCKET], {
        signal: watch.#ending.signal,
        onOutput: take,
      })
      .catch(() => undefined);
    return watch;
  }

  /** When the peer was first seen, on the monotonic clock, in milliseconds. */
  when(key: string): Promise<number> {
    const hex = Buffer.from(key, 'base64').toString('hex');
    const at = this.#seen.get(hex);
    if (at !== undefined) return Promise.resolve(at);
    return new Promise((resolve) => this.#waiting.set(hex, resolve));
  }

  stop(): void {
    this.#ending.abort();
  }

  #take(line: string): void {
    const [nanoseconds, hex = ''] = line.split(' ');
    const at = Number(nanoseconds) / 1e6;
    this.#seen.set(hex, at);
    this.#waiting.get(hex)?.(at);
    this.#waiting.delete(hex);
  }
}

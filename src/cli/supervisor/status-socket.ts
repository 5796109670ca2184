import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../output.ts';
import { thisProcess } from '../owner.ts';
import { parseTunnelStatus, type TunnelStatus } from './status.ts';

const PATIENCE_MS = 2_000;
/** Who may have ended is asked again so often, after so many milliseconds. */
const MOST_TRIED = 10;
const AGAIN_MS = 50;

/** Where the supervisor of a profile answers. */
export function statusSocket(runFolder: string, profile: string): string {
  return join(runFolder, `${profile}.sock`);
}

/** Where the supervisor of a profile says which process it is, for whoever has to end one that answers nobody. */
export function ownerFile(runFolder: string, profile: string): string {
  return join(runFolder, `${profile}.pid`);
}

/** Answers each connection with the status of that moment, for everybody on this machine; nothing is ever read from them. */
export class StatusServer {
  readonly #server: Server;
  readonly #files: readonly string[];

  private constructor(server: Server, files: readonly string[]) {
    this.#server = server;
    this.#files = files;
  }

  /**
   * Takes the place of the profile's supervisor. The file of one that was killed is taken away; the caller sees to it that nobody else does
   * this at the same moment. @throws {UserError} when another supervisor answers there
   */
  static async listen(runFolder: string, profile: string, status: () => Promise<TunnelStatus>): Promise<StatusServer> {
    const [path, owner] = [statusSocket(runFolder, profile), ownerFile(runFolder, profile)];
    mkdirSync(runFolder, { recursive: true, mode: 0o755 });
    if (await answers(path)) throw new UserError('it is up already; see: sallyport status');
    rmSync(path, { force: true });
    writeFileSync(owner, JSON.stringify(await thisProcess()));
    const server = createServer((connection) => {
      connection.on('error', () => undefined);
      status().then(
        (now) => connection.end(`${JSON.stringify(now)}\n`),
        (error: Error) => connection.destroy(error),
      );
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(path, resolve);
    await promise;
    chmodSync(path, 0o666);
    return new StatusServer(server, [path, owner]);
  }

  close(): void {
    this.#server.close();
    for (const file of this.#files) rmSync(file, { force: true });
  }
}

/** Whether somebody listens there. */
async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** What the supervisor of the profile says; undefined when none runs. @throws {UserError} when it does not answer */
export async function askSupervisor(runFolder: string, profile: string): Promise<TunnelStatus | undefined> {
  const path = statusSocket(runFolder, profile);
  for (let tried = 1; ; tried += 1) {
    try {
      return await asked(path, profile);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
      // One that is killed while it is asked resets the connection, or has said half of it, and for a moment seems to be there.
      const mayHaveEnded = error instanceof SyntaxError || code === 'ECONNRESET';
      if (!mayHaveEnded || tried === MOST_TRIED) throw error;
      await delay(AGAIN_MS);
    }
  }
}

async function asked(path: string, profile: string): Promise<TunnelStatus> {
  const socket = connect(path);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(notAnswering(profile)));
  try {
    return parseTunnelStatus(await text(socket));
  } finally {
    socket.destroy();
  }
}

function notAnswering(profile: string): UserError {
  return new UserError(
    `the process that holds ${profile} up does not answer; end it with: sallyport down ${profile}, then sallyport up ${profile}`,
  );
}

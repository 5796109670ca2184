import { ExecError, run } from './exec.ts';
import { say } from './progress.ts';

/** The Go release line everything is built with. */
export const GO_LINE = '1.26';
/** What is fetched where only another Go is installed. */
const FALLBACK = 'go1.26.8';

/** A Go command that compiles with the right release. */
export interface GoToolChain {
  readonly version: string;
  /** What to set for every call of `go`. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Finds Go 1.26. Kubernetes 1.36 must not be built with 1.27: its encoding/json is another one, and the API server's
 * /openapi/v2 then answers 503. Another Go than 1.26 fetches 1.26 itself, as a module.
 * @throws Error that says how to get it.
 */
export async function goToolChain(): Promise<GoToolChain> {
  const local = { GOTOOLCHAIN: 'local' };
  const installed = await goVersion(local);
  if (installed?.startsWith(`go${GO_LINE}.`)) return { version: installed, env: local };
  if (installed === undefined) {
    throw new Error(`the lab builds its programs with Go ${GO_LINE}, and there is no go command: ${REMEDY}`);
  }
  say(`found ${installed}; fetching ${FALLBACK} through it, since the lab's programs need Go ${GO_LINE}`);
  const fetched = { GOTOOLCHAIN: FALLBACK };
  const version = await goVersion(fetched);
  if (version === FALLBACK) return { version, env: fetched };
  throw new Error(`found ${installed}, and it could not fetch ${FALLBACK}: ${REMEDY}`);
}

const REMEDY = `install Go ${GO_LINE} from the Go project's download page (or any Go from 1.21 on, which fetches ${GO_LINE} itself)`;

async function goVersion(env: Readonly<Record<string, string>>): Promise<string | undefined> {
  const argv = ['go', 'env', 'GOVERSION'];
  try {
    const result = await run(argv, { env, cwd: '/' });
    if (result.code !== 0) say(new ExecError(argv, result).message);
    return result.code === 0 ? result.stdout.trim() : '';
  } catch {
    return undefined;
  }
}

import { interruptSignal } from '../../runtime/signals.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import type { Ready } from '../supervisor/supervisor-process.ts';

export interface SuperviseOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
  readonly names: boolean;
  readonly full: boolean;
  readonly verbose: boolean;
  /** Called once: the tunnel is up, or why it is not. */
  readonly onReady: (ready: Ready) => void;
}

/** Holds the tunnel of a profile up until SIGTERM or SIGINT, then takes it down. Returns the exit status. */
export async function supervise(name: string, { onReady, ...options }: SuperviseOptions): Promise<number> {
  const { signal } = interruptSignal();
  const log = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);
  const supervisor = new Supervisor({ ...options, name, log });
  try {
    const did = [...(await supervisor.open())];
    onReady({ did, unanswered: [...supervisor.unanswered] });
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    log(problem);
    onReady({ problem });
    return 1;
  }
  await supervisor.run(signal);
  return 0;
}

import { diagnose } from '../../laptop/doctor/diagnose.ts';
import type { ClusterOptions } from '../cluster/connect.ts';
import { diagnosisText } from '../doctor/diagnosis-text.ts';
import type { AskedService } from '../doctor/inside.ts';
import { look } from '../doctor/look.ts';
import { print, UserError } from '../output.ts';
import { ownCommands } from '../own-commands.ts';
import type { Profiles } from '../profiles/profiles.ts';

export interface DoctorOptions extends ClusterOptions {
  readonly profiles: Profiles;
  readonly runFolder: string;
  /** The only one when left out. */
  readonly profile: string | undefined;
  /** NAME.NAMESPACE[:PORT] of a Service. */
  readonly service?: string | undefined;
  readonly output: 'text' | 'json';
}

const HTTP_PORT = 80;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const SERVICE = new RegExp(`^(${LABEL}\\.${LABEL})(?:\\.svc(?:\\.[a-z0-9.-]+)?)?(?::([1-9][0-9]{0,4}))?$`);

/**
 * Looks hop by hop at what is between this device and the Services of a cluster, and says which is the first that is broken and what mends
 * it. Exit status: 0 when all that could be seen works, 3 when something is broken. @throws {UserError} when there is nothing to look at
 */
export async function doctor(options: DoctorOptions): Promise<number> {
  const { profiles, runFolder, output } = options;
  const service = options.service === undefined ? undefined : askedService(options.service);
  const name = profileOf(options);
  const findings = await look({ profiles, name, runFolder, cluster: options, service, commands: ownCommands() });
  const diagnosis = diagnose(findings);
  print(output === 'json' ? JSON.stringify(diagnosis, undefined, 2) : diagnosisText(diagnosis));
  return diagnosis.verdict === undefined ? 0 : 3;
}

/** A broken profile is something to look at; one that is not there is not. */
function profileOf({ profiles, profile }: DoctorOptions): string {
  const names = profiles.names();
  const [only] = names;
  if (profile === undefined && only !== undefined && names.length === 1) return only;
  if (profile !== undefined && names.includes(profile)) return profile;
  return profiles.choose(profile).profile.name;
}

function askedService(text: string): AskedService {
  const [, name, port = String(HTTP_PORT)] = SERVICE.exec(text) ?? [];
  if (name === undefined || Number(port) > 65_535)
    throw new UserError(`--service: "${text}" is not NAME.NAMESPACE or NAME.NAMESPACE:PORT, such as hello.demo:80`);
  return { name, port: Number(port) };
}

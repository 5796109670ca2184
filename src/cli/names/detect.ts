import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Commands } from '../../host/exec.ts';
import { ExecError, missingProgram } from '../../host/exec-error.ts';
import { backendOf, type NamesBackend } from '../../laptop/names/backend.ts';
import type { NamePaths } from './paths.ts';
import { readResolv } from './resolv-file.ts';

/** The backend that is in charge of this Linux machine's names. */
export async function detectBackend(paths: NamePaths, commands: Commands): Promise<NamesBackend> {
  const [{ formerText }, nsswitch, resolvectl, resolvconf] = await Promise.all([
    readResolv(paths),
    readFile(join(paths.etc, 'nsswitch.conf'), 'utf8').catch(() => ''),
    // It does nothing but ask the daemon over D-Bus.
    said(commands, ['resolvectl', 'dns']),
    said(commands, ['resolvconf', '--version']),
  ]);
  return backendOf({
    resolvConf: formerText,
    nsswitch,
    resolvedAnswers: resolvectl?.isFine === true,
    resolvconf: resolvconf?.text,
  });
}

/** What a command said and whether it was content; undefined where there is no such program. */
async function said(
  commands: Commands,
  argv: readonly string[],
): Promise<{ readonly text: string; readonly isFine: boolean } | undefined> {
  try {
    return { text: await commands.run(argv), isFine: true };
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    return missingProgram(error) === undefined && !isNotFound(error)
      ? { text: error.facts.stderr, isFine: false }
      : undefined;
  }
}

/** As `nsenter` and shells tell of a program that is not there. */
function isNotFound({ facts }: ExecError): boolean {
  return facts.exitCode === 127;
}

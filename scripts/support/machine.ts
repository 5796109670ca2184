import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { isSourceNear, SOURCE_REMEDY } from '../../test/lab/linux-source.ts';
import needs from './needs.json' with { type: 'json' };

/** A command's full path, found as bootstrap.mjs prepared PATH; undefined when there is none. */
export function find(command: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find(isExecutable);
}

/** Why the real programs of a cluster cannot run in namespaces here, with what would help; undefined when they can. */
export function labProblem(): string | undefined {
  const problem = namespaceProblem();
  if (problem !== undefined) return problem;
  if (find('go') === undefined)
    return `Kubernetes and wireguard-go are built from source, which needs Go 1.${needs.go.minor}; unpack it into /usr/local (go.dev/doc/install)`;
  const headers = Object.entries(needs.files).filter(([file]) => !existsSync(file));
  if (headers.length > 0) return `system packages are missing; install ${headers.map(([, name]) => name).join(' ')}`;
  return undefined;
}

/** Why no kernel of our own can be built and booted here, with what would help; undefined when it can. */
export function kernelProblem(): string | undefined {
  const problem = labProblem();
  if (problem !== undefined) return problem;
  if (process.arch !== 'x64')
    return `User-Mode Linux is for x86-64, and this is ${process.arch}; run it on such a machine`;
  const missing = Object.keys(needs.kernelCommands).filter((command) => find(command) === undefined);
  if (missing.length > 0)
    return `a kernel is built from source, and these commands are missing: ${missing.join(', ')}; install ${packagesOf(missing)}`;
  return hasLinuxSource() ? undefined : `there is no source of a kernel to build; ${SOURCE_REMEDY}`;
}

function hasLinuxSource(): boolean {
  return isSourceNear((name) => spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' }).stdout ?? '');
}

function namespaceProblem(): string | undefined {
  if (process.platform !== 'linux') return 'it needs Linux; run it in a Linux virtual machine or container';
  if (process.getuid?.() !== 0) return 'it needs root, for network namespaces; run it as root or with sudo -E';
  const missing = Object.keys(needs.commands).filter((command) => find(command) === undefined);
  if (missing.length > 0) return `these commands are missing: ${missing.join(', ')}; install ${packagesOf(missing)}`;
  const { status } = spawnSync('unshare', ['--net', '--mount', 'true'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'this system refuses new namespaces; a container needs CAP_SYS_ADMIN';
}

function packagesOf(commands: readonly string[]): string {
  return Object.entries({ ...needs.commands, ...needs.kernelCommands })
    .filter(([command]) => commands.includes(command))
    .map(([, name]) => name)
    .join(' ');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

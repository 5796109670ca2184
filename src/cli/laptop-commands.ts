import { type Command, Option } from 'commander';
import type { ClusterOptions } from './cluster/connect.ts';
import type { JoinOptions } from './commands/join.ts';
import { tell } from './output.ts';
import { callerOf, profilesFolder, RUN_FOLDER } from './profiles/folders.ts';
import { Profiles } from './profiles/profiles.ts';

/** Sets the program's exit status. */
export type Exit = (status: number) => void;

/** Whose profiles, and where what is up is kept. */
export interface Folders {
  readonly profiles: string;
  readonly runFolder: string;
}

interface UpCommandOptions extends Folders {
  readonly names: boolean;
  readonly full: boolean;
  readonly verbose: boolean;
  readonly foreground: boolean;
}

/** Adds what a person does with this device: join, up, down, status and the like. Each loads what it needs when it is called. */
export function addLaptopCommands(root: Command, exit: Exit): void {
  addJoin(root, exit);
  addUpAndDown(root, exit);
  addLooks(root, exit);
  addDoctor(root, exit);
  addChanges(root, exit);
  addSupervise(root, exit);
}

/** The options by which a command finds its cluster. */
export function withCluster(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'the kubeconfig; $KUBECONFIG or ~/.kube/config when left out')
    .option('--context <name>', 'the context of the kubeconfig');
}

function addJoin(root: Command, exit: Exit): void {
  const command = withFolders(withCluster(root.command('join')))
    .description('let this device into the cluster of the kubeconfig, and bring its tunnel up')
    .option(
      '--gateway <name...>',
      'the gateways to attach to, most preferred first; all that admit the namespace when left out',
    )
    .option('-n, --namespace <name>', "the MeshPeer's namespace; the kubeconfig's when left out")
    .option('--name <name>', "the MeshPeer's name; made of user and host when left out")
    .option('--profile <name>', 'how this cluster is called on this device; like the context when left out')
    .option('--expires <duration>', 'the cluster shuts the device out after this time, such as 8h')
    .option('--owner <text>', 'whose device this is, such as an e-mail address')
    .option('--preshared-key <file>', 'the preshared key, where the MeshPeer has one')
    .option(
      '--ephemeral',
      'for a machine that is thrown away, such as a CI job: expires after 1h unless --expires says else',
    )
    .option('--server <url>', 'the API server, instead of a kubeconfig')
    .option('--certificate-authority <file>', 'the CA of --server')
    .option('--token-file <file>', 'a token for --server')
    .option('--no-up', 'do not bring the tunnel up')
    .option('--full', 'send everything into the tunnel, where the gateway takes it; this time alone', false)
    .option('--no-names', 'leave the names of this machine alone');
  examples(command, [
    'sallyport join',
    'sallyport join -n team-a --expires 8h',
    'sallyport join --context prod --profile prod',
  ]);
  command.action(
    async (
      options: JoinOptions & Folders & { readonly up: boolean; readonly names: boolean; readonly full: boolean },
    ) => {
      const { join } = await import('./commands/join.ts');
      const profiles = profilesIn(options);
      const name = await join(options, profiles, new Date());
      if (!options.up) return;
      const { upAndTry } = await import('./commands/up-and-try.ts');
      exit(await upAndTry(profiles.read(name), { ...options, profiles, verbose: false }));
    },
  );
}

function addUpAndDown(root: Command, exit: Exit): void {
  const upCommand = withFolders(root.command('up'))
    .description('bring the tunnel of a profile up')
    .argument('[profile]', 'which; not needed when there is one')
    .option('--all', 'every profile', false)
    .option('--no-names', 'leave the names of this machine alone')
    .option('--full', 'send everything into the tunnel, where the gateway takes it; this time alone', false)
    .option('--foreground', 'stay, and hold the tunnel up until interrupted', false)
    .option('--verbose', 'tell each command that is run', false);
  examples(upCommand, ['sallyport up', 'sallyport up prod --foreground', 'sallyport up --full']);
  upCommand.action(async (name: string | undefined, options: UpCommandOptions & { readonly all: boolean }) => {
    const { up, upHere } = await import('./commands/up.ts');
    const profiles = profilesIn(options);
    const bring = options.foreground ? upHere : up;
    await eachOf(options.all ? profiles.names() : [profiles.choose(name).profile.name], exit, (each) =>
      bring(profiles.read(each), { ...options, profiles }),
    );
  });
  const downCommand = withFolders(root.command('down'))
    .description('take the tunnel of a profile down; nothing of it stays on this machine')
    .argument('[profile]', 'which; not needed when there is one')
    .option('--all', 'every profile', false);
  downCommand.action(async (name: string | undefined, options: Folders & { readonly all: boolean }) => {
    const { down, downStrays } = await import('./commands/down.ts');
    const profiles = profilesIn(options);
    await eachOf(options.all ? profiles.names() : [profiles.choose(name).profile.name], exit, (each) =>
      down(each, { ...options, profiles }),
    );
    if (options.all) exit(await downStrays({ profiles }));
  });
}

/** Of several profiles, what is wrong with one is told and does not keep the others. @throws what the only one throws */
async function eachOf(names: readonly string[], exit: Exit, act: (name: string) => Promise<number>): Promise<void> {
  for (const name of names) {
    try {
      exit(await act(name));
    } catch (error) {
      if (names.length === 1) throw error;
      tell(`${name}: ${error instanceof Error ? error.message : error}`);
      exit(1);
    }
  }
}

function addLooks(root: Command, exit: Exit): void {
  const statusCommand = withOutput(withFolders(root.command('status')))
    .description('tell how the tunnels are; exit status 0 when all work, 3 when one does not')
    .argument('[profile]', 'which; all when left out')
    .option('-w, --watch', 'again each second', false);
  type Options = Folders & { readonly output: 'text' | 'json'; readonly watch: boolean };
  statusCommand.action(async (profile: string | undefined, options: Options) => {
    const { status, watchStatus } = await import('./commands/status.ts');
    const wishes = { ...options, profiles: profilesIn(options), profile };
    if (!options.watch) return exit(await status(wishes, Date.now));
    const { interruptSignal } = await import('../runtime/signals.ts');
    await watchStatus(wishes, Date.now, interruptSignal().signal);
  });
  const listCommand = withOutput(withFolders(root.command('list'))).description(
    'list the clusters this device has joined',
  );
  listCommand.action(async (options: Folders & { readonly output: 'text' | 'json' }) => {
    const { list } = await import('./commands/list.ts');
    await list(profilesIn(options), options.runFolder, options.output);
  });
}

interface DoctorCommandOptions extends ClusterOptions, Folders {
  readonly output: 'text' | 'json';
  readonly service?: string;
}

function addDoctor(root: Command, exit: Exit): void {
  const command = withOutput(withFolders(withCluster(root.command('doctor'))))
    .description('say what is broken between this device and the cluster; exit status 3 when something is')
    .argument('[profile]', 'which; not needed when there is one')
    .option('--service <name.namespace[:port]>', 'look as far as this Service; port 80 unless given');
  examples(command, ['sallyport doctor', 'sallyport doctor prod --service hello.demo:80', 'sallyport doctor -o json']);
  command.action(async (profile: string | undefined, options: DoctorCommandOptions) => {
    const { doctor } = await import('./commands/doctor.ts');
    exit(await doctor({ ...options, profiles: profilesIn(options), profile }));
  });
}

function addChanges(root: Command, exit: Exit): void {
  const leaveCommand = withFolders(withCluster(root.command('leave')))
    .description('delete the MeshPeer, and all that this device has of it')
    .argument('[profile]', 'which; not needed when there is one')
    .option('--local', 'leave the cluster alone, which may be gone', false);
  leaveCommand.action(
    async (name: string | undefined, options: ClusterOptions & Folders & { readonly local: boolean }) => {
      const { leave } = await import('./commands/leave.ts');
      const profiles = profilesIn(options);
      exit(await leave(profiles.choose(name).profile.name, { ...options, profiles }));
    },
  );
  const rotateCommand = withFolders(withCluster(root.command('rotate')))
    .description('give this device another key; its address and its connections stay')
    .argument('[profile]', 'which; not needed when there is one');
  rotateCommand.action(async (name: string | undefined, options: ClusterOptions & Folders) => {
    const { rotate } = await import('./commands/rotate.ts');
    const profiles = profilesIn(options);
    exit(await rotate(profiles.choose(name).profile.name, { ...options, profiles }));
  });
}

/** The supervisor's own command line, which `up` writes. */
function addSupervise(root: Command, exit: Exit): void {
  const command = withFolders(root.command('supervise', { hidden: true }))
    .argument('<profile>')
    .option('--no-names')
    .option('--full', '', false)
    .option('--verbose', '', false);
  type Options = Folders & { readonly names: boolean; readonly full: boolean; readonly verbose: boolean };
  command.action(async (name: string, options: Options) => {
    const { supervise } = await import('./commands/supervise.ts');
    // Whoever waited for the line may have been interrupted; the tunnel goes on.
    process.stdout.on('error', () => undefined);
    const onReady = (ready: object) => process.stdout.write(`${JSON.stringify(ready)}\n`);
    exit(await supervise(name, { ...options, profiles: profilesIn(options), onReady }));
  });
}

/** The profiles that a command works with. */
export function profilesIn({ profiles }: Folders): Profiles {
  return new Profiles(profiles, callerOf(process.env));
}

/** The options that only sudo and tests use: whose profiles, and where what is up is kept. */
export function withFolders(command: Command): Command {
  return command
    .addOption(new Option('--profiles <folder>').default(profilesFolder(process.env)).hideHelp())
    .addOption(new Option('--run-folder <folder>').default(RUN_FOLDER).hideHelp());
}

function withOutput(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'how it is printed').choices(['text', 'json']).default('text'),
  );
}

function examples(command: Command, lines: readonly string[]): void {
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

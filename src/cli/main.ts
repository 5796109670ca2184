import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { ProxyMode } from '../dataplane/local-facts.ts';
import type { Client } from '../k8s/client.ts';
import { type ClusterOptions, connect } from './cluster/connect.ts';
import type { ConfigFormat } from './commands/config.ts';
import { COMPLETIONS, candidates, SHELLS, type Shell } from './completion.ts';
import { defaultKeyFile } from './files.ts';
import { addLaptopCommands, type Exit, type Folders, profilesIn, withCluster, withFolders } from './laptop-commands.ts';
import { print, tell } from './output.ts';

interface ConfigCommandOptions extends ClusterOptions, Folders {
  readonly output: ConfigFormat;
  readonly privateKey: string;
  readonly presharedKey?: string;
  readonly full: boolean;
  readonly out?: string;
}

interface PlanOptions extends ClusterOptions {
  readonly filename?: readonly string[];
  readonly underlayMtu: number;
  readonly proxyMode: ProxyMode;
  readonly ipv6: boolean;
}

function program(exit: Exit): Command {
  const root = new Command('sallyport')
    .description("Reach a cluster's Services over WireGuard.")
    .version(VERSION)
    .exitOverride();
  addLaptopCommands(root, exit);
  addKey(root);
  addConfig(root);
  addPlan(root);
  addAccess(root, exit);
  addCompletion(root);
  return root;
}

function addCompletion(root: Command): void {
  const command = root.command('completion').description('print what makes a shell complete the words of sallyport');
  command.addArgument(new Argument('<shell>').choices(SHELLS));
  command.action((shell: Shell) => print(COMPLETIONS[shell]));
  const asked = root.command('complete', { hidden: true }).argument('[words...]').allowUnknownOption();
  withFolders(asked).action((words: readonly string[], options: Folders) => {
    const found = candidates(root, words, profilesIn(options).names());
    if (found.length > 0) print(found.join('\n'));
  });
}

function addKey(root: Command): void {
  const command = root
    .command('key')
    .description('make a key pair for this device')
    .option('--out <file>', 'where the private key goes', defaultKeyFile(process.env));
  command.action(async ({ out }: { readonly out: string }) => {
    const [{ key }, { randomBytes }] = [await import('./commands/key.ts'), await import('node:crypto')];
    key({ out, random: randomBytes(32) });
  });
}

function addConfig(root: Command): void {
  const command = withFolders(withCluster(root.command('config')))
    .description("print a profile's configuration, or a MeshPeer's wg-quick file, with this device's keys in it")
    .argument('[profile or namespace/name]', 'a profile of this device, or a MeshPeer of the cluster')
    .addOption(
      new Option('-o, --output <format>', 'for which program; of a MeshPeer wg-quick alone')
        .choices(['wg-quick', 'qr', 'networkmanager', 'json'])
        .default('wg-quick'),
    )
    .option('--private-key <file>', "of a MeshPeer: this device's private key", defaultKeyFile(process.env))
    .option('--preshared-key <file>', 'of a MeshPeer: the preshared key, where it has one')
    .option('--full', 'everything goes into the tunnel, where the gateway takes it', false)
    .option('--out <file>', 'write it there, readable by you alone, instead of printing it');
  command.action(async (subject: string | undefined, options: ConfigCommandOptions) => {
    const { configOfPeer, configOfProfile } = await import('./commands/config.ts');
    const { privateKey, presharedKey, full, out, output: format } = options;
    if (subject?.includes('/') !== true) return configOfProfile(profilesIn(options), subject, { format, full, out });
    const wish = { peer: subject, privateKeyFile: privateKey, presharedKeyFile: presharedKey, full, out };
    await configOfPeer(wish, () => client(options));
  });
}

function addPlan(root: Command): void {
  const command = withCluster(root.command('plan'))
    .description('print what the agent of a node will make of the resources')
    .argument('<node>', 'the node')
    .option(
      '-f, --filename <file...>',
      'resources from YAML files, as kubectl get -o yaml writes them, instead of the cluster',
    )
    .option('--underlay-mtu <bytes>', "the MTU of the node's way out", integer, 1500)
    .addOption(
      new Option('--proxy-mode <mode>', 'how the node proxies Services')
        .choices(['nftables', 'iptables', 'ipvs', 'unknown'])
        .default('nftables'),
    )
    .option('--no-ipv6', 'the node has no IPv6');
  command.action(async (node: string, options: PlanOptions) => {
    const { plan, resourcesInCluster, resourcesInFiles } = await import('./commands/plan.ts');
    const { filename, underlayMtu, proxyMode, ipv6 } = options;
    const resources =
      filename === undefined ? await resourcesInCluster(await client(options)) : resourcesInFiles(filename);
    plan(resources, { node, underlayMtu, proxyMode, ipv6 }, Date.now());
  });
}

interface AccessOptions extends ClusterOptions {
  readonly output: 'text' | 'json';
}

function addAccess(root: Command, exit: Exit): void {
  const access = root
    .command('access')
    .description('say which device may reach which Service, and because of which object');
  const output = () => new Option('-o, --output <format>', 'how to say it').choices(['text', 'json']).default('text');
  withCluster(access.command('explain'))
    .description('say whether a device may reach a Service, and why')
    .argument('<peer>', "the MeshPeer, NAME of the kubeconfig's namespace or NAMESPACE/NAME")
    .argument('<service>', 'NAME.NAMESPACE, or NAME.NAMESPACE:PORT by number or name')
    .addOption(output())
    .action(async (peer: string, service: string, options: AccessOptions) => {
      const { explain } = await import('./commands/access.ts');
      exit(await explain(await connect(options), { peer, service, output: options.output }, Date.now()));
    });
  withCluster(access.command('matrix'))
    .description('list everything that devices may reach')
    .addOption(output())
    .action(async (options: AccessOptions) => {
      const { matrix } = await import('./commands/access.ts');
      await matrix(await client(options), options.output, Date.now());
    });
}

async function client(options: ClusterOptions): Promise<Client> {
  return (await connect(options)).client;
}

function integer(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1280 || value > 65535)
    throw new InvalidArgumentError('must be a whole number from 1280 to 65535');
  return value;
}

/** Written into the bundle by scripts/build.ts. */
declare const SALLYPORT_VERSION: string | undefined;
const VERSION = typeof SALLYPORT_VERSION === 'undefined' ? 'unbuilt' : SALLYPORT_VERSION;

/** Exit codes: 0 done, 1 it did not work, 2 the command line is wrong, 3 a tunnel does not work. */
async function main(): Promise<number> {
  try {
    let status = 0;
    const exit = (next: number) => {
      status = Math.max(status, next);
    };
    await program(exit).parseAsync(process.argv);
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    tell(`sallyport: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
}

process.exitCode = await main();

import { randomBytes } from 'node:crypto';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { ProxyMode } from '../dataplane/local-facts.ts';
import type { Client } from '../k8s/client.ts';
import { config } from './commands/config.ts';
import { key } from './commands/key.ts';
import { plan, resourcesInCluster, resourcesInFiles } from './commands/plan.ts';
import { defaultKeyFile } from './files.ts';
import { tell } from './output.ts';

/** Which cluster, where a command needs one. */
interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

interface ConfigCommandOptions extends ClusterOptions {
  readonly privateKey: string;
  readonly presharedKey?: string;
  readonly out?: string;
}

interface PlanOptions extends ClusterOptions {
  readonly filename?: readonly string[];
  readonly underlayMtu: number;
  readonly proxyMode: ProxyMode;
  readonly ipv6: boolean;
}

const kubeconfig = () =>
  new Option('--kubeconfig <file>', 'the kubeconfig; $KUBECONFIG or ~/.kube/config when left out');
const context = () => new Option('--context <name>', 'the context of the kubeconfig');

function program(): Command {
  const root = new Command('sallyport').description("Reach a cluster's Services over WireGuard.").exitOverride();
  root
    .command('key')
    .description('make a key pair for this device')
    .option('--out <file>', 'where the private key goes', defaultKeyFile(process.env))
    .action(({ out }: { readonly out: string }) => key({ out, random: randomBytes(32) }));
  root
    .command('config')
    .description("print a MeshPeer's wg-quick file with this device's private key in it")
    .argument('<namespace/name>', 'the MeshPeer')
    .option('--private-key <file>', 'the private key', defaultKeyFile(process.env))
    .option('--preshared-key <file>', 'the preshared key, where the MeshPeer has one')
    .option('--out <file>', 'write it there, readable by you alone, instead of printing it')
    .addOption(kubeconfig())
    .addOption(context())
    .action(async (peer: string, { privateKey, presharedKey, out, ...cluster }: ConfigCommandOptions) =>
      config({ peer, privateKeyFile: privateKey, presharedKeyFile: presharedKey, out }, () => connect(cluster)),
    );
  root
    .command('plan')
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
    .option('--no-ipv6', 'the node has no IPv6')
    .addOption(kubeconfig())
    .addOption(context())
    .action(async (node: string, options: PlanOptions) => {
      const { filename, underlayMtu, proxyMode, ipv6 } = options;
      const resources =
        filename === undefined ? await resourcesInCluster(await connect(options)) : resourcesInFiles(filename);
      plan(resources, { node, underlayMtu, proxyMode, ipv6 }, Date.now());
    });
  return root;
}

/** The Kubernetes client is the larger part of this program, and only commands that talk to a cluster load it. */
async function connect({ kubeconfig: path, context: name }: ClusterOptions): Promise<Client> {
  const [{ createClient }, { loadConnection }, { createTransport }] = await Promise.all([
    import('../k8s/client.ts'),
    import('../k8s/kubeconfig.ts'),
    import('../k8s/transport.ts'),
  ]);
  return createClient(
    createTransport(await loadConnection({ env: process.env, path, context: name }), { userAgent: 'sallyport' }),
  );
}

function integer(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1280 || value > 65535)
    throw new InvalidArgumentError('must be a whole number from 1280 to 65535');
  return value;
}

/** Exit codes: 0 done, 1 it did not work, 2 the command line is wrong. */
async function main(): Promise<number> {
  try {
    await program().parseAsync(process.argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    tell(`sallyport: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
}

process.exitCode = await main();

import { fileURLToPath } from 'node:url';
import type { Laptop } from '../../lab/laptop.ts';
import { type Mesh, must, RELEASE, until } from '../../lab/mesh.ts';

const PROGRAM = fileURLToPath(new URL('programs/balance.ts', import.meta.url));
const ADDRESS = '198.51.100.7';
const SERVICE = 'sallyport-default';
/** So often it asks each node; three answers must fail. Those of clouds ask every few seconds. */
export const ASKS_EVERY_MS = 200;

/** A stand-in for a cloud's load balancer, on a machine of its own, for the Service that a gateway's operator owns. */
export class Balancer {
  readonly #mesh: Mesh;
  readonly #machine: Laptop;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<unknown>;
  #text = '';

  private constructor(mesh: Mesh, machine: Laptop, argv: readonly string[]) {
    this.#mesh = mesh;
    this.#machine = machine;
    const onOutput = (text: string) => {
      this.#text += text;
    };
    this.#ended = machine.exec(argv, { signal: this.#stopping.signal, onOutput }).catch(() => undefined);
  }

  /** The gateway is dialled at the balancer alone when it resolves. */
  static async start(mesh: Mesh): Promise<Balancer> {
    const machine = await mesh.cluster.addLaptop('balancer');
    for (const setting of ['ip_forward=1', 'conf.all.send_redirects=0', 'conf.eth0.send_redirects=0'])
      must(await machine.exec(['sysctl', '-qw', `net.ipv4.${setting}`]));
    await mesh.patchGateway('default', { endpoint: { service: { type: 'LoadBalancer' } } });
    const place = ['-n', RELEASE.namespace];
    const path = 'jsonpath={.spec.healthCheckNodePort}';
    const asked = () => mesh.cluster.kubectl([...place, 'get', 'service', SERVICE, '-o', path]).catch(() => '');
    const port = await until('the port of health checks', asked, (text) => Number(text) > 0);
    const ingress = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: ADDRESS }] } } });
    await mesh.cluster.kubectl([
      ...[...place, 'patch', 'service', SERVICE, '--subresource=status', '--type=merge'],
      ...['-p', ingress],
    ]);
    await until(
      'the endpoint',
      () => mesh.gateway(),
      ({ status }) => status?.endpoints?.map(({ endpoint }) => endpoint).join() === `${ADDRESS}:51840`,
    );
    const nodes = mesh.cluster.nodes.map(({ address }) => `${address}=http://${address}:${port}/healthz`);
    const argv = [process.execPath, PROGRAM, ADDRESS, String(ASKS_EVERY_MS), ...nodes];
    const balancer = new Balancer(mesh, machine, argv);
    const leads = async () => balancer.leads;
    await until('the balancer to lead somewhere', leads, (node) => node !== undefined && node !== '');
    return balancer;
  }

  /** Has a laptop go by the balancer, and hear, as behind most NATs, nobody else. */
  async before(laptop: Laptop): Promise<void> {
    must(await laptop.exec(['sysctl', '-qw', 'net.ipv4.conf.all.accept_redirects=0']));
    must(await laptop.exec(['ip', 'route', 'replace', ADDRESS, 'via', this.#machine.address]));
    const input =
      'chain in {\ntype filter hook input priority filter;\niifname "eth0" meta l4proto udp ct state new drop\n}\n';
    must(await laptop.exec(['nft', '-f', '-'], { input: `table inet bench_nat {\n${input}}\n` }));
  }

  /** The laptop hears everybody again. */
  async after(laptop: Laptop): Promise<void> {
    must(await laptop.exec(['nft', 'delete', 'table', 'inet', 'bench_nat']));
  }

  /** The address of the node that it leads to. */
  get leads(): string | undefined {
    return this.#text.trim().split('\n').at(-1);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
    await this.#mesh.patchGateway('default', { endpoint: { service: null } });
  }
}

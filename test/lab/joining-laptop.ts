import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildProgram } from '../../scripts/build.ts';
import { CONTROL_PLANE_ADDRESS } from './addresses.ts';
import type { ExecResult } from './exec.ts';
import type { Laptop } from './laptop.ts';
import { type Mesh, must } from './mesh.ts';

const HOME = '/var/home';

/** The program as it is published, in a folder that every laptop of the lab sees. */
export class PublishedProgram {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async build(): Promise<PublishedProgram> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-published-'));
    await buildProgram('cli', folder);
    return new PublishedProgram(folder);
  }

  get file(): string {
    return join(this.#folder, 'cli.mjs');
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}

/** A laptop of somebody who has a kubeconfig and the program, and nothing else of Sallyport. */
export class JoiningLaptop {
  readonly laptop: Laptop;
  readonly #program: PublishedProgram;

  constructor(laptop: Laptop, program: PublishedProgram) {
    this.laptop = laptop;
    this.#program = program;
  }

  /** Runs `sallyport` with these words in the person's home. */
  sallyport(line: string, env: Readonly<Record<string, string>> = {}): Promise<ExecResult> {
    const words = line.split(' ').filter((word) => word !== '');
    const argv = [process.execPath, this.#program.file, ...words];
    return this.laptop.exec(argv, { env: { HOME, ...env } });
  }

  /** The same for a command that must succeed; resolves with what it printed. */
  async must(line: string): Promise<string> {
    return must(await this.sallyport(line));
  }

  /** Gives the person a kubeconfig as a user with the role `sallyport-developer` in one namespace, and nothing else. */
  async giveKubeconfig(mesh: Mesh, user: string, namespace: string): Promise<void> {
    await this.laptop.writeFile(`${HOME}/.kube/config`, await developerKubeconfig(mesh, user, namespace));
  }
}

async function developerKubeconfig(mesh: Mesh, user: string, namespace: string): Promise<string> {
  const subject = { kind: 'ServiceAccount', name: user, namespace };
  await mesh.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: user, namespace } });
  await mesh.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: `developer-${user}`, namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'sallyport-developer' },
    subjects: [subject],
  });
  const token = await mesh.cluster.kubectl(['-n', namespace, 'create', 'token', user, '--duration=1h']);
  const admin = JSON.parse(await mesh.cluster.kubectl(['config', 'view', '--raw', '-o', 'json']));
  const [{ cluster }] = admin.clusters;
  // On the host the API server answers by a door of this process's; a laptop stands on the underlay.
  const server = `https://${CONTROL_PLANE_ADDRESS}:6443`;
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { ...cluster, server } }],
    users: [{ name: user, user: { token: token.trim() } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user, namespace } }],
    'current-context': 'lab',
  });
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildProgram } from '../../scripts/build.ts';
import type { TunnelStatus } from '../../src/cli/supervisor/status.ts';
import { screenOf } from '../support/screen.ts';
import type { ExecResult } from './exec.ts';
import type { Laptop } from './laptop.ts';
import { type Answer, curl, type Mesh, must, until } from './mesh.ts';

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

/** A profile and its tunnel, as `status -o json` tells them. */
export interface JoinedStatus {
  readonly state: string;
  readonly tunnel?: TunnelStatus;
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

  /** A line as a person types it, with `sallyport` on the PATH. */
  async shell(line: string): Promise<ExecResult> {
    const node = process.execPath;
    await this.laptop.writeFile('/var/bin/sallyport', `#!/bin/sh\nexec ${node} ${this.#program.file} "$@"\n`, 0o755);
    const env = { HOME, PATH: `/var/bin:${this.laptop.environment.PATH}` };
    return this.laptop.exec(['sh', '-c', line], { env });
  }

  /** What a person at a terminal of 100 columns sees of a line in the end. */
  async screen(line: string): Promise<string> {
    const typed = await this.shell(`script --quiet --return --command '${line}' /dev/null`);
    return screenOf(must(typed));
  }

  /** The same for a command that must succeed; resolves with what it printed. */
  async must(line: string): Promise<string> {
    return must(await this.sallyport(line));
  }

  /** The status of the only profile, as `-o json` tells it. */
  async status(): Promise<JoinedStatus> {
    const [only] = JSON.parse((await this.sallyport('status -o json')).stdout);
    return only;
  }

  /** All that a tunnel could leave on the machine: links, addresses, routes, rules, and every file of its own folders. */
  async everything(): Promise<string> {
    await until(
      'IPv6 addresses to be no longer tentative',
      () => this.laptop.exec(['ip', '-6', 'address']),
      ({ stdout }) => !stdout.includes('tentative'),
    );
    const network = ['link', 'address', 'route show table all', 'rule'].map(
      (what) => `ip ${what} | sed 's/ valid_lft .*//'`,
    );
    const files =
      'find /etc/resolv.conf /etc/wireguard /var/home /run -type f ! -path "*/.kube/*" -exec sha256sum {} + | sort';
    return must(await this.laptop.exec(['sh', '-c', [...network, files].join('; ')]));
  }

  /** What survives a loss of power, as one text. */
  async kept(): Promise<string> {
    return must(await this.laptop.exec(['sh', '-c', 'tar -C / -c etc/resolv.conf var/home | base64 -w0']));
  }

  async restore(kept: string): Promise<void> {
    await this.laptop.writeFile('/var/kept', kept);
    must(await this.laptop.exec(['sh', '-c', 'base64 -d /var/kept | tar -C / -x && rm /var/kept']));
  }

  /** Asks again and again until stopped, each time for at most so many seconds; `stop` resolves with what failed, `next` with the next answer. */
  requests(url: string, seconds = 10) {
    let goesOn = true;
    const failed: Answer[] = [];
    let upcoming = Promise.withResolvers<Answer>();
    const running = (async () => {
      while (goesOn) {
        const answer = await curl(this.laptop, url, seconds);
        if (answer.status !== 200) failed.push(answer);
        upcoming.resolve(answer);
        upcoming = Promise.withResolvers<Answer>();
      }
    })();
    return {
      next: (): Promise<Answer> => upcoming.promise,
      stop: async (): Promise<readonly Answer[]> => {
        goesOn = false;
        await running;
        return failed;
      },
    };
  }

  /** Gives the machine a token of a user with the role, and no kubeconfig; resolves with the words that name it. */
  async giveToken(mesh: Mesh, user: string, namespace: string): Promise<string> {
    const { clusters, users } = JSON.parse(await developerKubeconfig(mesh, user, namespace));
    const { server, 'certificate-authority-data': ca } = clusters[0].cluster;
    await this.laptop.writeFile('/var/ca.crt', Buffer.from(ca, 'base64').toString());
    await this.laptop.writeFile('/var/token', users[0].user.token);
    return `--server ${server} --certificate-authority /var/ca.crt --token-file /var/token`;
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
  const server = mesh.cluster.site.apiUrl;
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { ...cluster, server } }],
    users: [{ name: user, user: { token: token.trim() } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user, namespace } }],
    'current-context': 'lab',
  });
}

import type { JoiningLaptop } from '../../lab/joining-laptop.ts';
import { must } from '../../lab/mesh.ts';
import { median, type Report, row } from '../row.ts';
import { type BenchLaptops, NAMESPACE } from './bench-laptops.ts';

const RUNS = 10;
const BY_HAND_RUNS = 5;
const URL = `http://hello-node-2.${NAMESPACE}.svc.cluster.local/`;
const ANSWERED = `until curl -sf -o /dev/null --max-time 1 ${URL}; do :; done`;

export const joinRows = ['join_to_http_s', 'join_to_http_max_s'];

/** From a laptop that was never in the cluster to an answer by name, each time on another one. */
export async function joinToHttp(laptops: BenchLaptops, report: Report): Promise<void> {
  const join = `${process.execPath} ${laptops.program.file} join && ${ANSWERED}`;
  const [, ...seconds] = await each(1 + RUNS, (run) => timed(laptops, `joiner-${run}`, () => join));
  const stock = await each(BY_HAND_RUNS, (run) =>
    timed(laptops, `hand-${run}`, ({ laptop }) => byHand(laptops, laptop.name)),
  );
  const common = { unit: 's', goal: 3, n: RUNS };
  const says = `from \`sallyport join\` on a laptop with the program and a developer's kubeconfig, each time another laptop, to the first HTTP 200 by name; one run before them did not count`;
  const rival = `rival: the same by kubectl, wg and wg-quick in a script without a pause (${list(stock)})`;
  report(
    row({
      ...common,
      name: 'join_to_http_s',
      value: median(seconds),
      floor: median(stock),
      says: `${says}; the median; ${rival}`,
    }),
  );
  report(
    row({
      ...common,
      name: 'join_to_http_max_s',
      value: Math.max(...seconds),
      floor: Math.max(...stock),
      says: `the slowest of the same (${list(seconds)})`,
    }),
  );
}

/** Seconds that a script takes on a laptop of its own, which is thrown away. */
async function timed(laptops: BenchLaptops, name: string, script: (on: JoiningLaptop) => string): Promise<number> {
  const joining = await laptops.fresh(name);
  const env = { HOME: '/var/home', KUBECONFIG: '/var/home/.kube/config' };
  const began = performance.now();
  must(await joining.laptop.exec(['sh', '-ec', script(joining)], { env, timeout: 60_000 }));
  const seconds = (performance.now() - began) / 1000;
  await joining.laptop.kill();
  return seconds;
}

/** What somebody types who has no program but stock ones, and never stops to think. */
function byHand({ mesh }: BenchLaptops, name: string): string {
  const kubectl = mesh.cluster.tools.path('kubectl');
  const peer = (key: string) =>
    `{"apiVersion":"sallyport.dev/v1alpha1","kind":"MeshPeer","metadata":{"name":"${name}"},"spec":{"publicKey":"${key}"}}`;
  return `
    umask 077; mkdir -p /etc/wireguard; cd /etc/wireguard
    wg genkey >mesh.key
    cat <<END | ${kubectl} apply -f -
${peer('$(wg pubkey <mesh.key)')}
END
    ${kubectl} wait --for=condition=Programmed meshpeer/${name} --timeout=30s
    ${kubectl} get meshpeer ${name} -o 'jsonpath={.status.config}' >mesh.conf
    wg-quick up mesh
    ${ANSWERED}`;
}

async function each(runs: number, act: (run: number) => Promise<number>): Promise<readonly number[]> {
  const seconds: number[] = [];
  for (let run = 0; run < runs; run += 1) seconds.push(await act(run));
  return seconds;
}

function list(seconds: readonly number[]): string {
  return `${seconds.map((one) => one.toFixed(1)).join(', ')} s`;
}

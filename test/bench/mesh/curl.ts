import { must } from '../../lab/mesh.ts';
import { median, type Report, row } from '../row.ts';
import { type BenchMesh, NAMESPACE } from './bench-mesh.ts';

const CURLS = 50;
/** With a dot at the end, nobody tries search domains first. */
const URL = `http://hello-node-2.${NAMESPACE}.svc.cluster.local./`;

export const curlRows = ['curl_by_name_ms'];

/** A request by name through the tunnel, and the same from a pod. */
export async function curlByName({ mesh }: BenchMesh, report: Report): Promise<void> {
  const laptop = await mesh.cluster.addLaptop('curler');
  await mesh.join(laptop, await mesh.addDevice('curler'));
  const loop = `n=0; while [ $n -lt ${CURLS} ]; do curl -sf -o /dev/null -w '%{time_total}\\n' ${URL} || exit 1; n=$((n+1)); done`;
  const pod = await mesh.cluster.kubectl(['-n', NAMESPACE, 'exec', 'deploy/hello-node-1', '--', 'sh', '-c', loop]);
  const through = must(await laptop.exec(['sh', '-c', loop]));
  report(
    row({
      name: 'curl_by_name_ms',
      unit: 'ms',
      value: median(milliseconds(through)),
      floor: median(milliseconds(pod)),
      n: CURLS,
      says: 'a new connection by name from a laptop through gateway node-1 to a pod on node-2, the median; floor: the same curl from a pod on node-1',
    }),
  );
  await mesh.leave(laptop);
}

function milliseconds(text: string): readonly number[] {
  return text
    .trim()
    .split('\n')
    .map((line) => Number(line) * 1000);
}

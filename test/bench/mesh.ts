import { acceptMany, acceptRows } from './mesh/accept.ts';
import { BenchMesh } from './mesh/bench-mesh.ts';
import { curlByName, curlRows } from './mesh/curl.ts';
import { footprint, footprintRows } from './mesh/footprint.ts';
import { latency, latencyRows, manyLatency, manyLatencyRows } from './mesh/latency.ts';
import { type Group, type Report, unmeasured } from './row.ts';

interface Part {
  readonly rows: readonly string[];
  /** MeshPeers that must be there before. */
  readonly peers: number;
  measure(bench: BenchMesh, report: Report): Promise<void>;
}

/** In an order in which each finds the peers that it needs. */
const PARTS: readonly Part[] = [
  { rows: latencyRows, peers: 0, measure: latency },
  { rows: curlRows, peers: 0, measure: curlByName },
  { rows: footprintRows('100'), peers: 100, measure: (bench, report) => footprint(bench, '100', report) },
  { rows: acceptRows, peers: 0, measure: acceptMany },
  { rows: footprintRows('10k'), peers: 10_000, measure: (bench, report) => footprint(bench, '10k', report) },
  { rows: manyLatencyRows, peers: 10_000, measure: manyLatency },
];

/** What only a real cluster can tell: two nodes of the lab, Sallyport installed by Helm. */
export const meshGroup: Group = {
  name: 'mesh',
  rows: PARTS.flatMap(({ rows }) => rows),
  async measure(report, isWanted) {
    const bench = await BenchMesh.start();
    try {
      for (const { rows, peers, measure } of PARTS) {
        if (!rows.some(isWanted)) continue;
        try {
          await bench.ready(peers);
          await measure(bench, report);
        } catch (error) {
          for (const name of rows) report(unmeasured(name, error));
        }
      }
    } finally {
      await bench.stop();
    }
  },
};

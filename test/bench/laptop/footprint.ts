import { must } from '../../lab/mesh.ts';
import { bareNodeMb, cpuPercent, rssMb } from '../mesh/processes.ts';
import { type Report, row } from '../row.ts';
import type { BenchLaptops } from './bench-laptops.ts';

const IDLE_SECONDS = 30;

export const footprintRows = ['idle_cpu_percent_supervisor', 'supervisor_rss_mb'];

/** What the supervisor takes on a laptop whose tunnel is up and which nobody uses. */
export async function supervisorFootprint(laptops: BenchLaptops, report: Report): Promise<void> {
  const joined = await laptops.joined();
  const { laptop: machine } = joined;
  const { tunnel } = await joined.status();
  if (tunnel === undefined) throw new Error('the tunnel is not up');
  const supervisor = { machine, id: String(tunnel.pid) };
  const wireguardGo = {
    machine,
    id: must(await machine.exec(['pgrep', '-xf', `wireguard-go -f ${tunnel.device}`])).trim(),
  };
  const [value, other] = await Promise.all([
    cpuPercent(supervisor, IDLE_SECONDS),
    cpuPercent(wireguardGo, IDLE_SECONDS),
  ]);
  const idle = `of one processor in ${IDLE_SECONDS} s in which nobody uses the tunnel, commands it ran included; wireguard-go takes another ${other.toFixed(2)} %, the kernel's WireGuard none of any process`;
  report(row({ name: 'idle_cpu_percent_supervisor', unit: '%', value, n: 1, says: idle }));
  const more = `wireguard-go takes another ${(await rssMb(wireguardGo)).toFixed(0)} MB`;
  const resident = `resident memory of a tunnel's supervisor; ${more}; floor: the same Node.js doing nothing`;
  const floor = await bareNodeMb((argv) => machine.exec([process.execPath, ...argv]));
  report(row({ name: 'supervisor_rss_mb', unit: 'MB', value: await rssMb(supervisor), floor, n: 1, says: resident }));
}

import { fileURLToPath } from 'node:url';
import { must } from '../../lab/mesh.ts';
import { median, type Report, row } from '../row.ts';
import type { BenchLaptops } from './bench-laptops.ts';

const PROGRAM = fileURLToPath(new URL('programs/time-commands.ts', import.meta.url));
const ROUNDS = 20;

export const startRows = ['status_start_ms'];

/** What a person waits for `sallyport status`, beside what Node.js alone takes. */
export async function statusStart(laptops: BenchLaptops, report: Report): Promise<void> {
  const { laptop } = await laptops.joined();
  const commands = [
    [process.execPath, laptops.program.file, 'status'],
    [process.execPath, '-e', '0'],
  ];
  const argv = [process.execPath, PROGRAM, String(ROUNDS), JSON.stringify(commands)];
  const said = must(await laptop.exec(argv, { env: { HOME: '/var/home' } }));
  const [status = [], bare = []] = JSON.parse(said) as readonly (readonly number[])[];
  const says = `from the start to the end of \`node cli.mjs status\` with a tunnel up, the median; the slowest took ${Math.max(...status).toFixed(0)} ms; floor: \`node -e 0\`, in turn with it`;
  report(
    row({
      name: 'status_start_ms',
      unit: 'ms',
      value: median(status),
      goal: 150,
      floor: median(bare),
      n: ROUNDS,
      says,
    }),
  );
}

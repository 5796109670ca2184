import { execFile } from 'node:child_process';
import { request } from 'node:http';

/*
 * A load balancer that keeps the sender's address, on a machine that forwards: leads what comes for ADDRESS to one of several nodes for as long as
 * it says by HTTP that it serves, and then to another one, until it is killed: node balance.ts ADDRESS EVERY_MS NODE=URL...
 * Prints the node that it leads to, on a line of its own, whenever that is another one.
 */
const EVERY_MS = Number(process.argv[3]);
const [, , address = ''] = process.argv;
const nodes = process.argv.slice(4).map((word) => word.split('=') as [string, string]);
/** So many questions in a row without a good answer, and nobody is led there any more. */
const FAILURES = 3;

const failed = new Map<string, number>();
let leads: string | undefined;

setInterval(() => {
  for (const [node, url] of nodes) ask(node, url);
}, EVERY_MS);

function ask(node: string, url: string): void {
  const take = (isWell: boolean) => {
    failed.set(node, isWell ? 0 : (failed.get(node) ?? 0) + 1);
    lead();
  };
  const asked = request(url, { agent: false, signal: AbortSignal.timeout(2 * EVERY_MS) }, (answer) => {
    answer.resume();
    take(answer.statusCode === 200);
  });
  asked.on('error', () => take(false));
  asked.end();
}

function lead(): void {
  const serves = (name: string) => (failed.get(name) ?? FAILURES) < FAILURES;
  if (leads !== undefined && serves(leads)) return;
  const node = nodes.map(([name]) => name).find(serves);
  if (node === undefined || node === leads) return;
  leads = node;
  execFile('ip', ['route', 'replace', address, 'via', node], (error) => {
    process.stdout.write(error === null ? `${node}\n` : `${error.message}\n`);
  });
}

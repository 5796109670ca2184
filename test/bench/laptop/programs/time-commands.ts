import { spawnSync } from 'node:child_process';

/*
 * How long commands take from their start to their end: node time-commands.ts ROUNDS '[["command", "word"], …]'
 * Runs them in turn, so that all see the same machine, once before it counts. Prints the milliseconds of each round, a list for each command.
 */
const [rounds = '1', list = '[]'] = process.argv.slice(2);
const commands = JSON.parse(list) as readonly (readonly string[])[];

for (const argv of commands) time(argv);
const all = Array.from({ length: Number(rounds) }, () => commands.map(time));
console.log(JSON.stringify(commands.map((_, place) => all.map((round) => round[place]))));

function time([command = '', ...words]: readonly string[]): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(command, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const took = performance.now() - began;
  if (status !== 0) throw new Error(`${command} ${words.join(' ')}: exit ${status}: ${stderr}`);
  return took;
}

import type { RouteChange } from '../dataplane/routes/diff.ts';
import { parseMainRoutes } from '../dataplane/routes/parse.ts';
import { ROUTE_PROTOCOL, type Route, routeText, sameRoute } from '../dataplane/routes/route.ts';
import type { Family } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import { cidrFamily } from '../net/cidr.ts';
import type { Commands } from './exec.ts';
import { ExecError, failedSaying } from './exec-error.ts';
import { writeScratch } from './scratch.ts';

/** An address that is not there is told in words of its own by kernels from 6.10 on. */
const ABSENT = /No such process|Cannot find device|Cannot assign requested address|No such device|[Aa]ddress not found/;

/** Ten thousand routes take half a second where nothing else happens. */
const BATCH_MS = 60_000;

/** Adds the route; a route of somebody else to the same destination is an error, never replaced. */
export async function addRoute(commands: Commands, route: Route): Promise<void> {
  try {
    await commands.run(routeCommand('add-route', route));
  } catch (error) {
    if (!failedSaying(error, /File exists/) || !(await isThere(commands, route))) throw error;
  }
}

/** Puts the route in the place of the one to the same destination, in one step of the kernel. */
async function moveRoute(commands: Commands, route: Route): Promise<void> {
  await commands.run(routeCommand('move-route', route));
}

export async function removeRoute(commands: Commands, route: Route): Promise<void> {
  await unlessAbsent(commands.run(routeCommand('remove-route', route)));
}

/** Makes all the changes by one command for each family, and those that it refused one by one: what is done already is no error. */
export async function changeRoutes(commands: Commands, runDir: string, changes: readonly RouteChange[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const own = changes.filter(({ route }) => cidrFamily(route.destination) === family);
    if (own.length === 0) continue;
    const file = await writeScratch(runDir, 'routes', own.map(batchLine).join(''));
    try {
      await commands.run(['ip', `-${family}`, '-force', '-batch', file], { timeoutMs: BATCH_MS });
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      const there = new Set((await listed(commands, family)).map(routeText));
      const left = own.filter(({ kind, route }) => there.has(routeText(route)) === (kind === 'remove-route'));
      for (const change of left) await changeRoute(commands, change);
    }
  }
}

/** Makes one change. */
export function changeRoute(commands: Commands, { kind, route }: RouteChange): Promise<void> {
  if (kind === 'add-route') return addRoute(commands, route);
  return kind === 'move-route' ? moveRoute(commands, route) : removeRoute(commands, route);
}

export async function addAddress(commands: Commands, device: string, address: Cidr): Promise<void> {
  try {
    await commands.run(['ip', 'address', 'add', address, 'dev', device]);
  } catch (error) {
    if (!failedSaying(error, /File exists|address already assigned/i)) throw error;
  }
}

export async function removeAddress(commands: Commands, device: string, address: Cidr): Promise<void> {
  await unlessAbsent(commands.run(['ip', 'address', 'delete', address, 'dev', device]));
}

/** The arguments of `ip` for a change; a route of somebody else is never replaced by one that is added. */
function routeWords({ kind, route: { destination, device } }: RouteChange): readonly string[] {
  const verb = { 'add-route': 'add', 'move-route': 'replace', 'remove-route': 'delete' }[kind];
  const words = ['route', verb, destination, 'dev', device, 'protocol', String(ROUTE_PROTOCOL)];
  return kind === 'remove-route' ? words : [...words, 'scope', 'link'];
}

function routeCommand(kind: RouteChange['kind'], route: Route): readonly string[] {
  return ['ip', `-${cidrFamily(route.destination)}`, ...routeWords({ kind, route })];
}

function batchLine(change: RouteChange): string {
  return `${routeWords(change).join(' ')}\n`;
}

async function isThere(commands: Commands, route: Route): Promise<boolean> {
  return (await listed(commands, cidrFamily(route.destination))).some((other) => sameRoute(other, route));
}

async function listed(commands: Commands, family: Family): Promise<readonly Route[]> {
  const words = ['route', 'show', 'table', 'main', 'protocol', String(ROUTE_PROTOCOL)];
  return parseMainRoutes(await commands.run(['ip', '-json', `-${family}`, ...words]), family);
}

async function unlessAbsent(output: Promise<string>): Promise<void> {
  try {
    await output;
  } catch (error) {
    if (!failedSaying(error, ABSENT)) throw error;
  }
}

import { parseRoutes } from '../dataplane/routes/parse.ts';
import { ROUTE_PROTOCOL, type Route, sameRoute } from '../dataplane/routes/route.ts';
import type { Cidr } from '../net/cidr.ts';
import { cidrFamily } from '../net/cidr.ts';
import type { Commands } from './exec.ts';
import { failedSaying } from './exec-error.ts';

/** An address that is not there is told in words of its own by kernels from 6.10 on. */
const ABSENT = /No such process|Cannot find device|Cannot assign requested address|No such device|[Aa]ddress not found/;

/** Adds the route; a route of somebody else to the same destination is an error, never replaced. */
export async function addRoute(commands: Commands, route: Route): Promise<void> {
  try {
    await commands.run([...routeCommand('add', route), 'scope', 'link']);
  } catch (error) {
    if (!failedSaying(error, /File exists/) || !(await isThere(commands, route))) throw error;
  }
}

/** Puts the route in the place of the one to the same destination, in one step of the kernel. */
export async function moveRoute(commands: Commands, route: Route): Promise<void> {
  await commands.run([...routeCommand('replace', route), 'scope', 'link']);
}

export async function removeRoute(commands: Commands, route: Route): Promise<void> {
  await unlessAbsent(commands.run(routeCommand('delete', route)));
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

function routeCommand(verb: 'add' | 'replace' | 'delete', { destination, device }: Route): readonly string[] {
  const family = `-${cidrFamily(destination)}`;
  return ['ip', family, 'route', verb, destination, 'dev', device, 'protocol', String(ROUTE_PROTOCOL)];
}

async function isThere(commands: Commands, route: Route): Promise<boolean> {
  const family = cidrFamily(route.destination);
  const words = ['route', 'show', 'table', 'main', 'protocol', String(ROUTE_PROTOCOL)];
  const routes = parseRoutes(await commands.run(['ip', '-json', `-${family}`, ...words]), family, route.device);
  return routes.some((other) => sameRoute(route, other));
}

async function unlessAbsent(output: Promise<string>): Promise<void> {
  try {
    await output;
  } catch (error) {
    if (!failedSaying(error, ABSENT)) throw error;
  }
}

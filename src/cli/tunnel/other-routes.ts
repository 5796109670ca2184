import { jsonObjects } from '../../dataplane/json.ts';
import { parseMainRoutes } from '../../dataplane/routes/parse.ts';
import type { Commands } from '../../host/exec.ts';
import type { Routed } from '../../laptop/overlap.ts';
import { addressesIn, type IpAddress } from '../../net/address.ts';

/** The addresses of the routers that this machine's default routes go by. */
export async function defaultGateways(commands: Commands): Promise<readonly IpAddress[]> {
  const texts = await Promise.all(
    [4, 6].map((family) => commands.run(['ip', '-json', `-${family}`, 'route', 'show', 'default'])),
  );
  return addressesIn(
    texts.flatMap((text) => jsonObjects('ip -json route', text)).map(({ gateway }) => String(gateway)),
  );
}

/** Where this machine sends packets by way of other interfaces, its default routes left out. */
export async function otherRoutes(commands: Commands, device: string): Promise<readonly Routed[]> {
  const texts = await Promise.all([4, 6].map((family) => commands.run(['ip', '-json', `-${family}`, 'route', 'show'])));
  const routes = texts.flatMap((text, at) => parseMainRoutes(text, at === 0 ? 4 : 6));
  return routes
    .filter((route) => route.device !== device && !route.destination.endsWith('/0'))
    .map((route) => ({ name: route.device, cidrs: [route.destination] }));
}

import type { Flow } from './nftables/ruleset.ts';
import type { Operation } from './operation.ts';
import type { RouteChange } from './routes/diff.ts';
import type { PeerChange } from './wireguard/peer-change.ts';

/** One line for the log. It counts peers instead of naming them, so no key ever stands in it. */
export function describeOperation(operation: Operation): string {
  switch (operation.kind) {
    case 'replace-table':
      return `write nftables table ${operation.ruleset.table}`;
    case 'change-elements':
      return `change elements of ${operation.changes.map((change) => change.set).join(', ')} in table ${operation.table}`;
    case 'create-link':
      return `create interface ${operation.device}`;
    case 'start-link':
      return `start wireguard-go on interface ${operation.device}`;
    case 'set-device':
      return `set ${settings(operation)} of ${operation.device}`;
    case 'add-address':
      return `add address ${operation.address} to ${operation.device}`;
    case 'remove-address':
      return `remove address ${operation.address} from ${operation.device}`;
    case 'set-rp-filter':
      return `set rp_filter of ${operation.device} to ${operation.value}`;
    case 'set-link':
      return `set ${operation.device} ${linkChange(operation)}`;
    case 'turn-on-forwarding':
      return `turn on IPv${operation.family} forwarding`;
    case 'set-peers':
      return `${peers(operation.changes)} on ${operation.device}`;
    case 'forget-flows':
      return `forget connections from ${operation.sources.length === 1 ? operation.sources[0] : `${operation.sources.length} prefixes`}`;
    case 'forget-calls':
      return `forget what was sent to ${operation.endpoints.length === 1 ? operation.endpoints[0] : `${operation.endpoints.length} devices`}`;
    case 'end-flows':
      return `end connections that are no longer granted: ${flows(operation.flows)}`;
    case 'add-route':
      return `add route ${operation.route.destination} dev ${operation.route.device}`;
    case 'move-route':
      return `lead route ${operation.route.destination} to dev ${operation.route.device}`;
    case 'remove-route':
      return `remove route ${operation.route.destination} dev ${operation.route.device}`;
    case 'change-routes':
      return routeChanges(operation.changes);
    case 'delete-link':
      return `delete interface ${operation.device}`;
    case 'restore-forwarding':
      return `turn off IPv${operation.family} forwarding, as it was before`;
    case 'delete-table':
      return `delete nftables table ${operation.table}`;
  }
}

function settings(operation: Operation & { readonly kind: 'set-device' }): string {
  const parts = [
    ...(operation.publicKey === undefined ? [] : ['the private key']),
    ...(operation.listenPort === undefined ? [] : [`listen port ${operation.listenPort}`]),
  ];
  return parts.join(' and ');
}

function linkChange(operation: Operation & { readonly kind: 'set-link' }): string {
  const parts = [
    ...(operation.mtu === undefined ? [] : [`mtu ${operation.mtu}`]),
    ...(operation.up === true ? ['up'] : []),
  ];
  return parts.join(' ');
}

function flows([first, ...others]: readonly Flow[]): string {
  if (first === undefined) return 'none';
  const { source, destination, open } = first;
  const port = open?.port === undefined ? '' : ` port ${open.port}/${open.protocol}`;
  const protocol = open === undefined || port !== '' ? '' : ` by ${open.protocol}`;
  return `${source} to ${destination}${port}${protocol}${others.length === 0 ? '' : ` and ${others.length} more`}`;
}

function peers(changes: readonly PeerChange[]): string {
  const words = (['add', 'change', 'remove', 'call'] as const).flatMap((kind) => {
    const count = changes.filter((change) => change.kind === kind).length;
    return count === 0 ? [] : [`${kind} ${count} ${count === 1 ? 'peer' : 'peers'}`];
  });
  return words.join(', ');
}

function routeChanges(changes: readonly RouteChange[]): string {
  const words = (['add', 'move', 'remove'] as const).flatMap((verb) => {
    const count = changes.filter(({ kind }) => kind === `${verb}-route`).length;
    return count === 0 ? [] : [`${verb} ${count} ${count === 1 ? 'route' : 'routes'}`];
  });
  return words.join(', ');
}

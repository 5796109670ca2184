import { DRIFTS } from '../../lab/drift-cases.ts';
import { DEVICE, TABLE } from '../../lab/gateway-node.ts';
import { must } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import type { Fault, Through } from '../fault.ts';
import { interrupted, type Promised } from '../promise.ts';

/** A stock client shakes hands anew 15 s after its last answer, when the node has lost its session; a loaded machine may take longer. */
const STOCK_CLIENT_S = 25;
/** Kernels announce what is removed, and the node is mended at once. */
const AT_ONCE = interrupted(2, 10);
/** A node whose WireGuard has lost all sessions calls its own devices back. */
const CALLED_BACK = interrupted(3, STOCK_CLIENT_S);
/** The same, once a look at the peers, which is every three seconds, has found that one is missing. */
const SEEN_AND_CALLED = interrupted(6, STOCK_CLIENT_S);

/** What becomes of the load where somebody takes from a node what the gateway has made there. */
export const NODE_STATE: readonly Fault[] = [
  drift(
    'the rules flushed from the gateway’s table',
    'userspace',
    AT_ONCE,
    command('nft', 'flush', 'table', 'inet', TABLE),
  ),
  drift('the gateway’s table deleted', 'userspace', AT_ONCE, known('the deleted table')),
  drift('the gateway’s route deleted', 'userspace', AT_ONCE, known('the deleted route')),
  drift('the gateway’s address deleted', 'userspace', AT_ONCE, known('the deleted address')),
  drift('the device’s peer removed', 'kernel', SEEN_AND_CALLED, known('the deleted peer')),
  drift('the gateway’s interface set down', 'kernel', CALLED_BACK, known('the interface that was set down')),
  drift('the gateway’s interface deleted', 'kernel', CALLED_BACK, known('the deleted interface')),
  drift('wireguard-go killed', 'userspace', CALLED_BACK, known('the killed wireguard-go')),
  drift('the gateway’s interface deleted', 'userspace', CALLED_BACK, known('the deleted interface')),
];

type Harm = (node: LabNode, publicKey: string) => Promise<unknown>;

function drift(what: string, through: Through, promise: Promised, harm: Harm): Fault {
  return {
    what,
    through,
    promise,
    async inject({ node, device }) {
      await harm(node, device.keys.publicKey);
      return undefined;
    },
  };
}

function known(what: string): Harm {
  const found = DRIFTS.find((one) => one.what === what);
  if (found === undefined) throw new Error(`there is no drift called ${what} of ${DEVICE}`);
  return found.harm;
}

function command(...argv: readonly string[]): Harm {
  return async (node) => must(await node.exec(argv));
}

import type { MeshGateway, MeshGatewaySpec } from '../api/meshgateway.ts';
import { interfaceName, otherInterfaceName } from '../api/names.ts';
import type { ServedKey } from './topology.ts';

/**
 * A gateway's keys take turns in two slots, each with a UDP port and an interface of its own: WireGuard serves one key on an
 * interface, and a packet does not say for which key it is. A key keeps its slot for life.
 */
export type KeySlot = 1 | 2;

/** The port and the interface of a slot. */
export function slotOf({ metadata, spec }: MeshGateway, slot: number): Pick<ServedKey, 'listenPort' | 'device'> {
  const { name } = metadata;
  return slot === 1
    ? { listenPort: spec.listenPort, device: interfaceName(name) }
    : { listenPort: secondPort(spec), device: otherInterfaceName(name) };
}

export function otherSlot(slot: KeySlot): KeySlot {
  return slot === 1 ? 2 : 1;
}

/** The port of every second key: the one after the first, unless the gateway names one. */
export function secondPort({ listenPort, keyRotation }: Pick<MeshGatewaySpec, 'listenPort' | 'keyRotation'>): number {
  return keyRotation.listenPort ?? (listenPort === 65535 ? listenPort - 1 : listenPort + 1);
}

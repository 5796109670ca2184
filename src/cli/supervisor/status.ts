// The small one: every command of the laptop reads these.
import * as z from 'zod/mini';

const gatewayStatusSchema = z.object({
  name: z.string(),
  publicKey: z.string(),
  /** Where the interface sends to now. */
  endpoint: z.exactOptional(z.string()),
  /** Unproven: it shakes hands, and nothing has come through the tunnel yet. Offline: none of its endpoints answers. */
  path: z.enum(['online', 'unproven', 'offline']),
  /** The last round trip that was measured, in milliseconds. */
  rttMs: z.exactOptional(z.number()),
  /** RFC 3339 of the latest WireGuard handshake; none when there was never one. */
  latestHandshake: z.exactOptional(z.string()),
  receivedBytes: z.number(),
  sentBytes: z.number(),
});

const tunnelStatusSchema = z.object({
  profile: z.string(),
  /** Of the supervisor. */
  pid: z.number(),
  device: z.string(),
  /** Of the private key that the interface has; none while there is no interface. */
  publicKey: z.exactOptional(z.string()),
  /** RFC 3339: since when the tunnel is up. */
  since: z.string(),
  addresses: z.array(z.string()),
  /** What the tunnel leads to. */
  routes: z.array(z.string()),
  /** Whether all other traffic goes into it too, and none beside it; a supervisor of an earlier version does not say. */
  full: z.exactOptional(z.boolean()),
  /** How names of the cluster are found; none when that was not wished or the cluster has none. */
  names: z.exactOptional(z.string()),
  gateways: z.array(gatewayStatusSchema),
  /** When the gateway last told this device its configuration. */
  refreshedAt: z.exactOptional(z.string()),
  /** What happened meanwhile and somebody should know, newest last. */
  notices: z.array(z.object({ at: z.string(), text: z.string() })),
});

/** What the supervisor of a tunnel says when asked. It holds no key but public ones. */
export type TunnelStatus = Readonly<z.infer<typeof tunnelStatusSchema>>;
export type GatewayStatus = Readonly<z.infer<typeof gatewayStatusSchema>>;
export type Notice = TunnelStatus['notices'][number];

/** @throws when the text is no such status */
export function parseTunnelStatus(text: string): TunnelStatus {
  return tunnelStatusSchema.parse(JSON.parse(text));
}

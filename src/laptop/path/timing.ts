/** How long what was sent may stay without any answer before the path is doubted, in milliseconds: two usual round trips. */
export function silenceMs(rttMs: number | undefined): number {
  return clamp(2 * (rttMs ?? 0), 300, 1_000);
}

/** How long a check may take: four usual round trips. It holds three attempts, so that a lost packet fails none. */
export function checkMs(rttMs: number | undefined): number {
  return clamp(4 * (rttMs ?? 1_000), 250, 1_000);
}

/** How long the check of an endpoint that was just set may take: WireGuard shakes hands first. */
export function proofMs(rttMs: number | undefined): number {
  return clamp(6 * (rttMs ?? 1_000), 1_000, 2_000);
}

/** The usual round trip after another one was measured: a shorter one counts at once, for a longer one may hold a handshake or a lost packet. */
export function usualRtt(usual: number | undefined, measured: number): number {
  return usual === undefined || measured < usual ? measured : usual + (measured - usual) / 8;
}

/** A path that has proven nothing for so long is checked though nobody uses it: that also keeps a NAT's mapping. */
export const IDLE_CHECK_MS = 25_000;

/** Behind one interface with several gateways silence shows nothing: each is checked so often while packets are sent. */
export const SHARED_CHECK_MS = 2_000;

/** A machine whose two clocks drift apart by so much between two ticks has slept, or was told another time. */
export const SLEPT_MS = 2_000;

/** Changes of addresses and routes come in bursts; so often at most one of them is a reason. */
export const WAKE_MS = 1_000;

/** How long a silent application is no reason for another check, after so many checks found the path good. */
export function quietMs(checks: number): number {
  return [500, 1_000, 2_000][checks - 1] ?? 5_000;
}

/** How long nothing is tried, after so many attempts in a row brought nothing. */
export function waitMs(attempts: number): number {
  return [1_000, 2_000, 5_000][attempts - 1] ?? 10_000;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

import { once } from 'node:events';
import { type IncomingMessage, request as requestPlainly } from 'node:http';
import { request } from 'node:https';
import type { ClockFinding, Look } from '../../laptop/doctor/findings.ts';
import { looked, messageOf } from './looked.ts';

const PATIENCE_MS = 2_000;
/** An HTTP date has whole seconds, so on average the time is half a second later. */
const HALF_SECOND = 500;

/**
 * Compares this device's clock with that of the cluster's API server, which tells its time to everybody in the header Date. Nothing but that
 * is taken from the answer, and nothing is sent, so the certificate is not looked at: by a wrong clock it would be out of date.
 */
export function lookAtClock(server: string, now: () => number): Promise<Look<ClockFinding>> {
  return looked(
    async () => ({ against: `the API server ${new URL(server).host}`, aheadMs: now() - (await timeOf(server)) }),
    (error) => `the API server, beside whose clock this one would be held, does not answer (${messageOf(error)})`,
  );
}

async function timeOf(server: string): Promise<number> {
  const url = new URL('/version', server);
  const asking = (url.protocol === 'http:' ? requestPlainly : request)(url, {
    method: 'HEAD',
    agent: false,
    rejectUnauthorized: false,
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  response.destroy();
  const time = Date.parse(response.headers.date ?? '');
  if (Number.isNaN(time)) throw new Error('it does not tell the time');
  return time + HALF_SECOND;
}

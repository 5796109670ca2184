import { describe, expect, test } from 'vitest';
import { createLog } from '../../src/runtime/log.ts';

function logging(level: 'debug' | 'info' = 'info') {
  const lines: string[] = [];
  const log = createLog({ level, bindings: { program: 'agent' }, destination: { write: (line) => lines.push(line) } });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line)) };
}

describe('the log', () => {
  test('is one JSON object per line, with the bindings and a time', () => {
    const { log, parsed } = logging();
    log.child({ gateway: 'default' }).info({ peers: 3 }, 'plan applied');
    expect(parsed()).toEqual([
      { level: 'info', time: expect.any(String), program: 'agent', gateway: 'default', peers: 3, msg: 'plan applied' },
    ]);
  });

  test('levels below the chosen one are left out', () => {
    const { log, lines } = logging();
    log.debug({}, 'quiet');
    expect(lines).toEqual([]);
  });

  test('an error is written with its message and its cause', () => {
    const { log, parsed } = logging();
    log.error({ error: new Error('apply on gw-a', { cause: new Error('EPERM') }) }, 'failed');
    expect(parsed()[0].error.message).toContain('apply on gw-a');
    expect(parsed()[0].error.stack).toContain('EPERM');
  });

  test('no secret by name is ever written, at whatever depth up to three', () => {
    const { log, lines } = logging();
    const secrets = { privateKey: 'S3CRET', presharedKey: 'S3CRET', token: 'S3CRET', authorization: 'S3CRET' };
    log.info(secrets, 'top');
    log.child({ peer: secrets }).info({ peer: secrets }, 'inside');
    log.warn({ headers: { Authorization: 'S3CRET' }, a: { b: secrets } }, 'deeper');
    expect(lines.join('')).not.toContain('S3CRET');
    expect(lines.join('')).toContain('[redacted]');
  });
});

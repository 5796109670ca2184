import { describe, expect, test } from 'vitest';
import { ExecError } from '../../src/host/exec-error.ts';
import {
  WireGuardUnavailable,
  withoutInotify,
  withoutKernelWireGuard,
  withoutTun,
} from '../../src/host/wireguard-unavailable.ts';

function failed(stderr: string): ExecError {
  return new ExecError({ argv: ['ip'], exitCode: 2, timedOut: false, stderr });
}

describe('a node without WireGuard', () => {
  test.each([
    ['the kernel does not know the type', withoutKernelWireGuard, 'Error: Unknown device type.', 'modprobe wireguard'],
    ['the module cannot be loaded', withoutKernelWireGuard, 'RTNETLINK answers: Operation not supported', 'Auto'],
    ['there is no TUN device', withoutTun, 'open: No such file or directory', '/dev/net/tun'],
  ])('is told so with the remedy when %s', (_when, meaning, stderr, remedy) => {
    const error = failed(stderr);
    const meant = meaning(error);
    expect(meant).toBeInstanceOf(WireGuardUnavailable);
    expect(meant).toMatchObject({ message: expect.stringContaining(remedy), cause: error });
  });

  test('is not what any other failure means', () => {
    const error = failed('RTNETLINK answers: Operation not permitted');
    expect([withoutKernelWireGuard(error), withoutTun(error), withoutInotify(error)]).toEqual([error, error, error]);
  });
});

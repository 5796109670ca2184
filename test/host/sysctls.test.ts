import { describe, expect, test } from 'vitest';
import { createSysctls } from '../../src/host/sysctls.ts';

/** Below /proc/sys/net as the agent mounts it. */
const tracking = (files: Readonly<Record<string, string>>) =>
  createSysctls('/host/net', { read: async (path) => files[path], write: async () => undefined }).tracking();

describe('connection tracking', () => {
  test('is read with its limit', async () => {
    const files = {
      '/host/net/netfilter/nf_conntrack_count': '812\n',
      '/host/net/netfilter/nf_conntrack_max': '262144\n',
    };
    expect(await tracking(files)).toEqual({ entries: 812, most: 262_144 });
  });

  test('says nothing where the kernel tracks none', async () => {
    expect(await tracking({})).toBeUndefined();
  });
});

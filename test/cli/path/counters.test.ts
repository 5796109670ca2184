import { describe, expect, it } from 'vitest';
import { CounterReader, countersIn } from '../../../src/cli/path/counters.ts';

const TEXT = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1310544   13084    0    0    0     0          0         0  1310544   13084    0    0    0     0       0          0
sp-prod1: 5 6    0    0    0     0          0         0  7 8    0    0    0     0       0          0
sp-prod:  912345      77    1    0    0     0          0         0   654321     88    2    3    0     0       0          0
`;

describe('the counters of an interface', () => {
  it('are those of its own line', () => {
    const counters = { rxBytes: 912_345, rxPackets: 77, txBytes: 654_321, txPackets: 88 };
    expect(countersIn(TEXT, 'sp-prod')).toEqual(counters);
    expect(countersIn(TEXT, 'prod')).toBeUndefined();
  });

  it.skipIf(process.platform !== 'linux')(
    'grow as this machine sends, and are none where there is no interface',
    () => {
      const reader = new CounterReader();
      try {
        expect(reader.read('lo')?.rxBytes).toBeGreaterThanOrEqual(0);
        expect(reader.read('lo')).toEqual(expect.objectContaining({ txPackets: expect.any(Number) }));
        expect(reader.read('none-such')).toBeUndefined();
      } finally {
        reader.close();
      }
    },
  );
});

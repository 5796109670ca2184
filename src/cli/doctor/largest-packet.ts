import type { Commands } from '../../host/exec.ts';
import { ExecError, missingProgram } from '../../host/exec-error.ts';
import type { LargestFinding, Look } from '../../laptop/doctor/findings.ts';
import { addressFamily, type IpAddress } from '../../net/address.ts';
import { looked, messageOf } from './looked.ts';

/** Of IP and of ICMP, in bytes. */
const HEADERS = { 4: 20 + 8, 6: 40 + 8 } as const;
/** Below the interface's own, what the usual underlays leave: PPPoE, IPv6 in IPv4, a tunnel in a tunnel; IPv6 wants no less than the last. */
const STEPS = [1412, 1400, 1380, 1360, 1340, 1320, 1300, 1280];
const SMALL = 100;
const NOT_ALLOWED = /Operation not permitted|Permission denied|socket/i;

/** The largest packet that comes back from a gateway's mesh address unfragmented, by ping: it is as large in both directions. */
export function lookForLargest(commands: Commands, address: IpAddress, mtu: number): Promise<Look<LargestFinding>> {
  return looked(
    async () => {
      const sizes = [mtu, ...STEPS.filter((size) => size < mtu), SMALL];
      const [first = mtu, ...smaller] = sizes;
      if (await comesBack(commands, address, first)) return { tried: mtu, passed: mtu };
      const passed = await Promise.all(smaller.map((size) => comesBack(commands, address, size)));
      return { tried: mtu, passed: smaller[passed.indexOf(true)] };
    },
    (error) =>
      missingProgram(error) === undefined ? messageOf(error) : 'there is no ping here to send large packets with',
  );
}

async function comesBack(commands: Commands, address: IpAddress, size: number): Promise<boolean> {
  const family = addressFamily(address);
  const payload = size - HEADERS[family];
  try {
    await commands.run(
      ['ping', `-${family}`, '-n', '-q', '-c', '1', '-W', '1', '-M', 'do', '-s', String(payload), address],
      { timeoutMs: 2_000 },
    );
    return true;
  } catch (error) {
    if (!(error instanceof ExecError) || missingProgram(error) !== undefined || NOT_ALLOWED.test(error.facts.stderr))
      throw error;
    return false;
  }
}

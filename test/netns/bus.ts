import type { Running } from '../../src/host/exec.ts';
import { poll } from '../lab/progress.ts';
import { isFine, type NamesLaptop } from './names-laptop.ts';

/** A bus for one daemon, on which all may do everything. */
const BUS = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_type="method_call"/><allow send_type="method_return"/><allow send_type="signal"/><allow send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="signal"/><allow receive_type="error"/>
  </policy>
</busconfig>
`;
/** Starts a system bus of the laptop's own. */
export async function startBus(laptop: NamesLaptop): Promise<Running> {
  await laptop.namespace.run('mkdir -p /run/dbus');
  await laptop.write('/run/bus.conf', BUS);
  const bus = laptop.namespace.commands.start(['dbus-daemon', '--config-file=/run/bus.conf', '--nofork']);
  await poll('the D-Bus daemon', () => isFine(laptop, 'test -S /run/dbus/system_bus_socket'), { timeout: 10_000 });
  return bus;
}

import { answerTo } from '../../../src/agent/configuration-answer.ts';
import { ConfigurationListeners } from '../../../src/agent/configuration-listeners.ts';
import { CONFIGURATION_PORT } from '../../../src/mesh/client-configuration.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import { createLog } from '../../../src/runtime/log.ts';

/*
 * What an agent answers devices: configurations.ts ADDRESS,… DEVICE,… listens at the addresses and tells each of the devices its
 * own address as JSON. A problem is a line on standard output.
 */
const [addresses = '', devices = ''] = process.argv.slice(2);
const known = devices.split(',');
const listeners = new ConfigurationListeners({
  port: CONFIGURATION_PORT,
  answer: (question) =>
    answerTo(question, (device) =>
      known.includes(device) ? { text: JSON.stringify({ own: device }) } : { missing: 'device' },
    ),
  onProblem: () => console.log(listeners.problem ?? 'no problem'),
  log: createLog({ level: 'silent' }),
});
const follow = () => listeners.follow(addresses.split(',') as IpAddress[]);
follow();
// As an agent does after every look at its node.
setInterval(follow, 50);
console.log('ready');

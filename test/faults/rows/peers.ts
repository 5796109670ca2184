import { inProject } from '../../../scripts/support/paths.ts';
import { must } from '../../lab/mesh.ts';
import { type Fault, meanwhile } from '../fault.ts';
import { unnoticed } from '../promise.ts';

const FLOOD = 10_000;
const STRANGERS_MS = 8_000;
/** Of the underlay, and nobody else's (../../lab/addresses.ts). */
const SOURCES = Array.from({ length: 32 }, (_, at) => `172.30.0.${150 + at}`);

/** What becomes of a device where others send as much as they can. */
export const PEERS_FAULTS: readonly Fault[] = [
  {
    what: `a device that sends ${FLOOD} datagrams as fast as it can, each of which is a connection`,
    through: 'userspace',
    promise: unnoticed(30),
    async inject({ mesh, node, spare: { laptop, device } }) {
      await mesh.join(laptop, device, node.address);
      const service = await mesh.serviceAddress('hello-node-2');
      const floods = program('flood.ts', service, '80', String(FLOOD), 'each');
      return meanwhile(
        () => mesh.leave(laptop),
        async () => must(await laptop.exec(floods)),
      );
    },
  },
  {
    what: `strangers who begin handshakes as fast as they can for ${STRANGERS_MS / 1000} s`,
    through: 'userspace',
    promise: unnoticed(30),
    async inject({ mesh, node, spare: { laptop } }) {
      const address = (act: string) => SOURCES.map((source) => `address ${act} ${source}/24 dev eth0`).join('\n');
      must(await laptop.exec(['ip', '-batch', '-'], { input: address('add') }));
      const { publicKey = '' } = (await mesh.gateway()).status ?? {};
      const words = [node.address, '51840', publicKey, String(STRANGERS_MS), ...SOURCES];
      must(await laptop.exec(program('handshakes.ts', ...words)));
      return async () => must(await laptop.exec(['ip', '-batch', '-'], { input: address('delete') }));
    },
  },
];

/** A program of the netns ring, as a laptop runs it. */
function program(file: string, ...words: readonly string[]): readonly string[] {
  return [process.execPath, inProject(`test/netns/programs/${file}`), ...words];
}

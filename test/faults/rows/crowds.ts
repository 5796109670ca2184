import { loosenRules, restoreRules } from '../../lab/adversity.ts';
import { until } from '../../lab/mesh.ts';
import { comeAll, goAll } from '../crowd.ts';
import { letsIn } from '../devices.ts';
import type { Fault } from '../fault.ts';
import { unnoticed } from '../promise.ts';

const UNREADABLE = { namespace: 'demo', name: 'unreadable' };

/** What becomes of a device where others are many, come, go or make no sense. */
export const CROWDS: readonly Fault[] = [
  unreadableAmong(100),
  { ...unreadableAmong(10_000), nightly: 'so many devices take minutes to come, and to go' },
  deletedAtOnce(100),
  deletedAtOnce(5_000),
];

function unreadableAmong(many: number): Fault {
  return {
    what: `one MeshPeer that nobody can read among ${counted(many)} others`,
    through: 'userspace',
    promise: unnoticed(60),
    async inject(scene) {
      const { mesh } = scene;
      await comeAll(scene, many);
      await loosenRules(mesh.cluster);
      await until('loose rules', () => mesh.addDevice(UNREADABLE.name, { persistentKeepalive: 'often' }), Boolean);
      await restoreRules(mesh.cluster);
      await letsIn(scene);
      return async () => {
        await mesh.deleteDevice(UNREADABLE);
        await goAll(scene);
      };
    },
  };
}

function deletedAtOnce(many: number): Fault {
  return {
    what: `${counted(many)} MeshPeers deleted at once`,
    through: 'userspace',
    nightly: 'it takes a while until they have come',
    promise: unnoticed(60),
    async inject(scene) {
      await comeAll(scene, many);
      return () => goAll(scene);
    },
    recovered: letsIn,
  };
}

function counted(many: number): string {
  return many.toLocaleString('en');
}

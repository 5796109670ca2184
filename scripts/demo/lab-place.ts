import { attachCluster, type Cluster, startCluster } from '../../test/lab/cluster.ts';
import { removeKept } from '../../test/lab/ownership.ts';
import { SALLYPORT_IMAGE, sallyportImage } from '../../test/lab/sallyport-image.ts';
import { HELLO_IMAGE, helloImage } from './lab-images.ts';
import type { Laptop, Place } from './place.ts';

const NAME = 'demo';

/** Starts a cluster of the lab: real programs of Kubernetes in namespaces of this machine. */
export async function startLabPlace(keep: boolean): Promise<Place> {
  return labPlace(await startCluster({ name: NAME, keep }));
}

/** Removes the lab's cluster that an earlier demo left running. */
export async function removeLabPlace(): Promise<void> {
  const cluster = await attachCluster(NAME);
  await (cluster === undefined ? removeKept(NAME) : cluster.stop());
}

function labPlace(cluster: Cluster): Place {
  return {
    environment: cluster.environment,
    nodes: cluster.nodes,
    loadSallyport: async () => {
      await cluster.loadImage(await sallyportImage(cluster.tools));
      return SALLYPORT_IMAGE;
    },
    loadHello: async () => {
      await cluster.loadImage(await helloImage());
      return HELLO_IMAGE;
    },
    addLaptop: async () => {
      const laptop = await cluster.addLaptop('laptop');
      return {
        name: laptop.name,
        exec: (argv, options) => laptop.exec(argv, options),
        writeFile: (path, content) => laptop.writeFile(path, content),
      } satisfies Laptop;
    },
    usage: () => [
      `npx node test/lab/main.ts shell --name ${NAME}           a shell with kubectl and helm`,
      `npx node test/lab/main.ts shell laptop --name ${NAME}    a shell on the laptop`,
      `npx node test/lab/main.ts shell node-1 --name ${NAME}    a shell on a gateway node`,
    ],
    remove: () => cluster.stop(),
  };
}

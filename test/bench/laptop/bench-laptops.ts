import { JoiningLaptop, PublishedProgram } from '../../lab/joining-laptop.ts';
import { type Mesh, startMesh } from '../../lab/mesh.ts';

export const NAMESPACE = 'demo';

/** A cluster with Sallyport, and laptops with nothing but the program and a developer's kubeconfig. */
export class BenchLaptops {
  readonly mesh: Mesh;
  readonly program: PublishedProgram;
  #joined: Promise<JoiningLaptop> | undefined;

  private constructor(mesh: Mesh, program: PublishedProgram) {
    this.mesh = mesh;
    this.program = program;
  }

  static async start(): Promise<BenchLaptops> {
    const program = await PublishedProgram.build();
    try {
      return new BenchLaptops(await startMesh('bench-laptop'), program);
    } catch (error) {
      await program.remove();
      throw error;
    }
  }

  /** A laptop that has joined nothing yet. */
  async fresh(name: string): Promise<JoiningLaptop> {
    const joining = new JoiningLaptop(await this.mesh.cluster.addLaptop(name), this.program);
    await joining.giveKubeconfig(this.mesh, name, NAMESPACE);
    return joining;
  }

  /** The one laptop that has joined and stays. */
  joined(): Promise<JoiningLaptop> {
    this.#joined ??= this.#join('stayer');
    return this.#joined;
  }

  async stop(): Promise<void> {
    await this.mesh.cluster.stop();
    await this.program.remove();
  }

  async #join(name: string): Promise<JoiningLaptop> {
    const joining = await this.fresh(name);
    await joining.must('join');
    return joining;
  }
}

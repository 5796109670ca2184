import type { ExecOptions, ExecResult } from '../../test/lab/exec.ts';

/** The image of a program in the demo's cluster. */
export interface LoadedImage {
  readonly repository: string;
  readonly tag: string;
}

/** Where the demo plays: a cluster, a laptop outside of it, and a way to get rid of both. */
export interface Place {
  /** What programs need in their environment to talk to the cluster. */
  readonly environment: Readonly<Record<string, string>>;
  readonly nodes: readonly Machine[];
  /** Builds Sallyport's image and puts it on every node. */
  loadSallyport(): Promise<LoadedImage>;
  /** The image that the Deployment of hello.yaml runs here, on every node; undefined: the nodes fetch the one it names. */
  loadHello(): Promise<string | undefined>;
  addLaptop(): Promise<Laptop>;
  /** Lines that tell how to use what stays with `--keep`. */
  usage(): readonly string[];
  /** Removes everything. Gone already is no error. */
  remove(): Promise<void>;
}

/** A machine that commands can be run on, as root. */
export interface Machine {
  readonly name: string;
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
}

export interface Laptop extends Machine {
  /** Writes a file that root alone may read. */
  writeFile(path: string, content: string): Promise<void>;
}
